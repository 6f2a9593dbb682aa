#include "disk/watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace tiltyard::disk {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();
/// Between two looks at one machine, when all is calm.
constexpr auto kInterval = 5s;
/// A machine may cost this part of a core: what is long to look through is looked through seldom.
constexpr int kShareOfOne = 500;
/// All looks may cost this part of a core together, when all is calm.
constexpr int kShareOfAll = 200;
constexpr auto kAlarmBudget = 300ms;  ///< for one round, twice a second
/// How far looks may be ahead of their allowance.
constexpr auto kAhead = 2500us;
constexpr auto kNextTry = 3s;  ///< for whom nothing was left of the allowance
/// Who has run for less since the last look has not written enough to be worth one: some 40 MB.
constexpr std::uint64_t kHardlyRun = 20'000'000;      // ns
constexpr std::uint64_t kHardlyRunInAlarm = 300'000;  // ns; room can be taken without being written to
/// What a look at anybody costs at least; keeps those whose looks are dear behind the others.
constexpr auto kLeastCost = 50us;

/// The first number of cgroup's cpuacct.usage (nanoseconds), or of cpu.stat ("usage_usec 123", microseconds).
std::uint64_t processor_time(const std::string& file) {
  if (file.empty()) return kUnknown;
  const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return kUnknown;
  std::array<char, 64> text{};
  const auto got = ::read(opened, text.data(), text.size());
  ::close(opened);
  if (got <= 0) return kUnknown;
  constexpr std::string_view kMicroseconds = "usage_usec ";
  std::string_view said(text.data(), static_cast<std::size_t>(got));
  const bool micros = said.starts_with(kMicroseconds);
  if (micros) said.remove_prefix(kMicroseconds.size());
  std::uint64_t value = 0;
  if (std::from_chars(said.data(), said.data() + said.size(), value).ec != std::errc{}) return kUnknown;
  return micros ? value * 1000 : value;
}

}  // namespace

void Watch::put(Watched machine) {
  auto name = machine.name;
  machines_.insert_or_assign(std::move(name), Seen{.machine = std::move(machine)});
}

/// Those worth a look now, the likeliest first.
std::vector<Watch::Seen*> Watch::candidates(bool alarm) {
  std::vector<Seen*> out;
  const auto now = now_();
  for (auto& [name, seen] : machines_) {
    if (!alarm && now < seen.due) continue;
    const auto ran = processor_time(seen.machine.processor);
    // A group that begins anew counts from zero.
    seen.since = !seen.looked || ran == kUnknown || ran < seen.ran ? kUnknown : ran - seen.ran;
    if (seen.since < (alarm ? kHardlyRunInAlarm : kHardlyRun)) {
      seen.due = now + kInterval;
      continue;
    }
    out.push_back(&seen);
  }
  const auto score = [](const Seen* seen) {
    return static_cast<double>(seen->since) /
           static_cast<double>(std::max<Clock::duration>(seen->cost, kLeastCost).count());
  };
  std::ranges::sort(out, [&](const Seen* one, const Seen* other) { return score(one) > score(other); });
  return out;
}

bool Watch::look(Seen& seen, std::vector<Found>& found) {
  const auto begun = now_();
  seen.ran = processor_time(seen.machine.processor);
  seen.looked = true;
  const auto usage = count_(seen.machine);
  const auto ended = now_();
  seen.cost = ended - begun;
  seen.due = ended + std::max<Clock::duration>(kInterval, seen.cost * kShareOfOne);
  const bool over = usage.over(seen.machine.most);
  if (over) found.push_back({seen.machine.name, usage});
  return over;
}

std::vector<Found> Watch::round(bool alarm) {
  const auto begun = now_();
  // What is not used of the allowance is not saved up.
  if (last_ != Clock::time_point{}) owed_ = std::max<Clock::duration>(owed_ - (begun - last_) / kShareOfAll, 0ns);
  last_ = begun;
  std::vector<Found> found;
  for (auto* seen : candidates(alarm)) {
    if (alarm ? now_() - begun > kAlarmBudget : owed_ > kAhead) {
      seen->due = begun + kNextTry;
      continue;
    }
    look(*seen, found);
    if (!alarm) owed_ += seen->cost;
  }
  return found;
}

bool Watch::over(const std::string& name) {
  const auto seen = machines_.find(name);
  std::vector<Found> found;
  return seen != machines_.end() && look(seen->second, found);
}

}  // namespace tiltyard::disk
