#include "farm/model.h"

#include <algorithm>
#include <array>

namespace tiltyard::farm {
namespace {

constexpr std::array<std::string_view, kStatuses> kStatusNames = {"queued", "leased", "accepted", "rejected",
                                                                  "skipped"};
constexpr std::array<std::string_view, 8> kVerdictNames = {"accepted", "duplicate", "own",      "old",
                                                           "invalid",  "nop",       "rejected", "retry"};

template <class Enum, class Names>
std::optional<Enum> parse(const Names& names, std::string_view text) {
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view to_string(Status status) { return kStatusNames[static_cast<std::size_t>(status)]; }
std::optional<Status> parse_status(std::string_view text) { return parse<Status>(kStatusNames, text); }
std::string_view to_string(Verdict verdict) { return kVerdictNames[static_cast<std::size_t>(verdict)]; }
std::optional<Verdict> parse_verdict(std::string_view text) { return parse<Verdict>(kVerdictNames, text); }

}  // namespace tiltyard::farm
