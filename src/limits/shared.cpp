#include "limits/shared.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tiltyard::limits {
namespace {

/// KEYS: one for each quota. ARGV: interval and tolerance of each, in microseconds. Answers 1 or 0 and each key's debt.
/// Times stay below 2^53, so Lua's numbers hold them exactly; redis.call writes numbers with 17 digits, unlike Lua's
/// own way with 14.
constexpr const char* kScript = R"lua(
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local kept = redis.call('MGET', unpack(KEYS))
local debt, allowed = {}, 1
for i = 1, #KEYS do
  local arrival = tonumber(kept[i] or '0') or 0
  debt[i] = arrival > now and arrival - now or 0
  if debt[i] + ARGV[2 * i - 1] > tonumber(ARGV[2 * i]) then allowed = 0 end
end
if allowed == 1 then
  for i = 1, #KEYS do
    debt[i] = debt[i] + ARGV[2 * i - 1]
    redis.call('SET', KEYS[i], now + debt[i], 'PX', math.ceil(debt[i] / 1000) + 1)
  end
end
return {allowed, unpack(debt)}
)lua";

/// Subjects come from outside: what is long or odd stands there as a hash, so that keys stay short and printable.
void append_subject(std::string& out, std::string_view subject) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == ':' || c == '/';
  };
  if (subject.size() <= 48 && std::ranges::all_of(subject, plain)) {
    out += subject;
    return;
  }
  std::array<unsigned char, 16> digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(subject.data()),
                     subject.size(), nullptr, 0);
  out += '#';
  out += hex(digest);
}

}  // namespace

Shared::Shared(bus::Redis& redis, std::string prefix) : redis_(redis), prefix_(std::move(prefix)), script_(kScript) {}

asio::awaitable<Result<Outcome>> Shared::take(std::span<const Charge> charges) {
  std::vector<std::string> words;
  words.reserve(charges.size() * 3 + 3);
  for (const Charge& charge : charges) {
    std::string& key = words.emplace_back();
    key.reserve(prefix_.size() + charge.limiter.size() + charge.subject.size() + 12);
    key += prefix_;
    key += ":limit:";
    key += charge.limiter;
    key += charge.daily ? ":d:" : ":s:";
    append_subject(key, charge.subject);
  }
  for (const Charge& charge : charges) {
    words.push_back(std::to_string(charge.quota.interval));
    words.push_back(std::to_string(charge.quota.tolerance));
  }
  auto reply = co_await redis_.eval(script_, std::move(words), charges.size());
  if (!reply) co_return fail(std::move(reply.error()));
  const auto& items = reply->items;
  if (items.size() != charges.size() + 1)
    co_return fail(Code::kUnavailable, "redis-refused", "Redis answered something else.");
  Outcome outcome;
  outcome.allowed = items[0].integer == 1;
  for (std::size_t i = 0; i < charges.size(); ++i) outcome.debt[i] = items[i + 1].integer;
  co_return outcome;
}

}  // namespace tiltyard::limits
