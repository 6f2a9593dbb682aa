#include "farm/visitors.h"

#include "limits/measures.h"
#include "observe/metrics.h"

namespace tiltyard::farm {
namespace {

using limits::Charge;
using limits::Quota;

constexpr std::int64_t kMinute = 60'000'000;
constexpr Quota kCalls = Quota::of(100'000, 1'000'000, kMinute);
constexpr Quota kWrong = Quota::of(300, 120, kMinute);

std::int64_t now() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

Charge of(std::string_view what, std::string_view address, Quota quota) { return {what, address, false, quota}; }

void count_refusal(const char* limiter) { metrics::counter(limits::measures::kRefused, {limiter}).add(); }

}  // namespace

bool Visitors::may_call(std::string_view address) {
  const Charge charge = of("calls", address, kCalls);
  const bool allowed = memory_.take(std::span(&charge, 1), now()).allowed;
  if (!allowed) count_refusal("farm-grpc");
  return allowed;
}

bool Visitors::barred(std::string_view address) {
  const Charge charge = of("wrong", address, kWrong);
  const bool free = kWrong.affords(memory_.look(std::span(&charge, 1), now()).debt[0]);
  if (!free) count_refusal("farm-token");
  return !free;
}

void Visitors::note_wrong(std::string_view address) {
  const Charge charge = of("wrong", address, kWrong);
  memory_.follow(std::span(&charge, 1), now());
}

}  // namespace tiltyard::farm
