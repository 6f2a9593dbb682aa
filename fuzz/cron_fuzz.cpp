// A schedule's text, as it stands in a row or as a person writes it: whatever it is, it is refused or it has a next
// time that is later than the one before, and its text reads back as the same schedule.
#include <cstdlib>
#include <string_view>

#include "jobs/schedule.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tiltyard;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto schedule = jobs::Schedule::parse(text);
  if (!schedule) return 0;
  const auto again = jobs::Schedule::parse(schedule->text());
  if (!again || again->text() != schedule->text()) std::abort();
  // From a day before Europe's clocks change in 2026.
  TimePoint at = from_micros(1'792'800'000'000'000);
  for (int i = 0; i < 5; ++i) {
    const auto next = schedule->after(at, at, jobs::Missed::kOnce);
    if (next <= at || next != again->after(at, at, jobs::Missed::kOnce)) std::abort();
    at = next;
  }
  return 0;
}
