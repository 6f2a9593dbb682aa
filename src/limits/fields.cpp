#include "limits/fields.h"

#include <array>
#include <charconv>

namespace tiltyard::limits {
namespace {

void append(std::string& out, std::string_view text, std::int64_t number) {
  std::array<char, 20> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out += text;
  out.append(digits.data(), end);
}

void append_name(std::string& out, const Charge& charge) {
  if (!out.empty()) out += ", ";
  out += '"';
  out += charge.limiter;
  out += charge.daily ? ".day\"" : "\"";
}

constexpr std::int64_t seconds(std::int64_t micros) { return (micros + 999'999) / 1'000'000; }

}  // namespace

std::vector<std::pair<std::string, std::string>> fields(std::span<const Charge> charges, const Outcome& outcome,
                                                        std::size_t first) {
  std::string policy, state;
  policy.reserve(charges.size() * 40);
  state.reserve(charges.size() * 40);
  for (std::size_t i = 0; i < charges.size(); ++i) {
    const Quota quota = charges[i].quota;
    const std::int64_t debt = outcome.debt[first + i];
    append_name(policy, charges[i]);
    append(policy, ";q=", quota.burst());
    append(policy, ";w=", seconds(quota.tolerance));
    append_name(state, charges[i]);
    append(state, ";r=", quota.left(debt));
    append(state, ";t=", seconds(debt));
  }
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(2);
  out.emplace_back("RateLimit-Policy", std::move(policy));
  out.emplace_back("RateLimit", std::move(state));
  return out;
}

}  // namespace tiltyard::limits
