#include "disk/guard.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <exception>
#include <set>

#include "base/parallel.h"
#include "bus/event_log.h"
#include "disk/events.h"
#include "disk/measures.h"
#include "disk/through.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::disk {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr auto kRound = 500ms;
/// Newcomers that are asked of their engine in one round: after a restart they are many.
constexpr std::size_t kLearntAtOnce = 16;
/// What is gone within one round is fast.
constexpr std::int64_t kFastBytes = 24 << 20, kFastInodes = 2000;
constexpr std::int64_t kSlowBytes = 1 << 20;  ///< the same below the floor
constexpr int kAlarmRounds = 4;
/// Below this the database may be refused its next page.
constexpr std::int64_t kTight = 16 << 20;
/// An engine that counts files by itself looks at each of them: one machine at a time, and each seldom.
constexpr auto kCountEvery = 60s;

std::string words_for_owner(const std::string& machine, const Most& most) {
  return fmt::format(
      "The machine '{}' wrote more than the {} (or made more than the {} files and folders) that it may have on disk, "
      "so "
      "the instance was stopped. Start it again for a fresh one.",
      machine, readable(most.bytes), most.inodes);
}

}  // namespace

Guard::Guard(Options options, Parts parts)
    : options_(options),
      parts_(std::move(parts)),
      reserve_((parts_.database.empty() ? parts_.data : parts_.database) + "/reserve",
               parts_.database.empty() ? 0 : options.reserve) {
  if (!parts_.apart) return;
  watch_ = Watch(Watch::Clock::now, [caller = parts_.apart](const Watched& machine) {
    return usage_through(*caller, machine.name, machine.most);
  });
}

Result<> Guard::may_start() const {
  if (!low_) return {};
  return fail(Code::kUnavailable, "disk-low", *low_);
}

std::vector<std::string> Guard::places() const {
  std::set<std::string> out{parts_.data};
  if (!parts_.database.empty()) out.insert(parts_.database);
  for (const auto& [name, engine] : parts_.engines.all()) {
    if (auto* disks = engine->disks(); disks && !disks->storage().empty()) out.insert(disks->storage());
  }
  return {out.begin(), out.end()};
}

void Guard::look_at_space() {
  std::map<std::string, Space> spaces;
  for (const auto& place : places()) {
    if (auto space = space_at(place)) spaces.emplace(place, *space);
  }
  const auto least = least_of(spaces);
  if (least != spaces.end()) settle(least->second);
}

/// Once it is low, it takes somewhat more to be enough again: instances that start and stop do not make it flicker.
void Guard::settle(const Space& least) {
  Options wanted = options_;
  if (low_) wanted.floor += wanted.floor / 8, wanted.floor_inodes += wanted.floor_inodes / 8;
  if (!least.below(wanted)) return low_.reset();
  low_ = fmt::format(
      "Only {} are left on the server's disk, so nothing new starts until there is more. What runs goes on; staff "
      "know.",
      words_of(least, options_));
}

/// The place that is short of something, or else has the fewest bytes.
std::map<std::string, Space>::const_iterator Guard::least_of(const std::map<std::string, Space>& spaces) const {
  return std::ranges::min_element(
      spaces, {}, [this](const auto& one) { return std::pair(!one.second.below(options_), one.second.bytes); });
}

void Guard::begin() { gate_.spawn(parts_.home, "watch disks", go_round()); }

asio::awaitable<void> Guard::close() { co_await gate_.close(); }

asio::awaitable<void> Guard::go_round() {
  while (true) {
    try {
      co_await sleep_for(kRound);
      co_await one_round();
    } catch (const std::exception& failure) {
      // One round that fails must not be the last.
      if (gate_.closing()) throw;
      log::error("disk", "a round failed", {{"error", failure.what()}});
    }
  }
}

asio::awaitable<void> Guard::one_round() {
  std::vector<std::string> gone;
  std::vector<Watched> fresh;
  std::vector<asio::awaitable<Result<>>> lessons;
  for (auto& machine : changes(&gone)) lessons.push_back(learn(std::move(machine), &fresh));
  co_await all_of(std::move(lessons));
  auto work = [this, gone = std::move(gone), fresh = std::move(fresh), places = places()]() mutable {
    return look_around(gone, std::move(fresh), places);
  };
  auto seen = co_await offload(worker_, std::move(work));
  if (seen.gave) log::warn("disk", "the disk is full; the database gets what was kept back for it");
  std::vector<asio::awaitable<Result<>>> judgements;
  for (const auto& one : seen.found) judgements.push_back(judge(one.name));
  co_await all_of(std::move(judgements));
  co_await count_elsewhere();
  co_await end_condemned();
  co_await note_space(std::move(seen.spaces));
}

/// Machines that have come to run since the last round, as many as are learnt at once; and the names of those that do
/// not run any more.
std::vector<Guard::Known> Guard::changes(std::vector<std::string>* gone) {
  ++round_;
  std::vector<Known> fresh;
  for (const auto& live : parts_.labs.all_live()) {
    const auto& instance = live->instance;
    if (condemned_.contains(instance.id) || instance.state == labs::InstanceState::kStopping) continue;
    for (std::size_t i = 0; i < instance.plan.machines.size(); ++i) {
      const auto& machine = instance.plan.machines[i];
      if (machine.state != labs::MachineIs::kRunning || machine.handle.empty()) continue;
      if (const auto known = known_.find(machine.name); known != known_.end()) {
        known->second.round = round_;
      } else if (fresh.size() < kLearntAtOnce && !parts_.engines.of(instance.plan.engine).away()) {
        Known one{.instance = instance.id,
                  .engine = instance.plan.engine,
                  .service = machine.service,
                  .handle = machine.handle,
                  .most = parts_.usual,
                  .round = round_};
        if (live->tmpl && i < live->tmpl->services.size()) {
          const auto& said = live->tmpl->services[i].machine.resources;
          one.most = {said.disk, said.inodes};
        }
        fresh.push_back(std::move(one));
      }
    }
  }
  std::erase_if(known_, [&](const auto& one) {
    const bool stays = one.second.round == round_;
    if (!stays) gone->push_back(one.first);
    return !stays;
  });
  return fresh;
}

/// Asks its engine where the machine writes, for the watch where that can be looked at from here.
asio::awaitable<Result<>> Guard::learn(Known machine, std::vector<Watched>* fresh) {
  auto* disks = parts_.engines.of(machine.engine).disks();
  if (!disks) co_return Result<>{};
  auto footprint = co_await disks->footprint(machine.handle);
  if (!footprint) co_return fail(std::move(footprint.error()));
  // What the machine was made with holds, whatever its template says by now.
  if (footprint->most_bytes > 0) machine.most = {footprint->most_bytes, footprint->most_inodes};
  machine.elsewhere = footprint->folders.empty();
  const Most most = machine.most;
  const bool elsewhere = machine.elsewhere;
  const std::string name = machine.handle.data;
  known_.insert_or_assign(name, std::move(machine));
  if (!elsewhere) fresh->push_back({name, most, std::move(footprint->folders), std::move(footprint->processor)});
  co_return Result<>{};
}

/// On the other thread.
Guard::Seen Guard::look_around(const std::vector<std::string>& gone, std::vector<Watched> fresh,
                               const std::vector<std::string>& places) {
  for (const auto& name : gone) watch_.drop(name);
  for (auto& machine : fresh) watch_.put(std::move(machine));
  Seen seen;
  for (const auto& place : places) {
    if (auto space = space_at(place)) seen.spaces.emplace(place, *space);
  }
  if (falls_fast(seen.spaces)) alarm_ = kAlarmRounds;
  seen.found = watch_.round(alarm_ > 0);
  alarm_ = std::max(0, alarm_ - 1);
  before_ = seen.spaces;
  tend_reserve(seen);
  return seen;
}

bool Guard::falls_fast(const std::map<std::string, Space>& spaces) {
  for (const auto& [place, space] : spaces) {
    const auto before = before_.find(place);
    if (before == before_.end()) continue;
    const auto bytes = before->second.bytes - space.bytes, inodes = before->second.inodes - space.inodes;
    const bool fast = bytes >= kFastBytes || (space.counts_inodes && inodes >= kFastInodes);
    if (fast || (space.below(options_) && (bytes >= kSlowBytes || (space.counts_inodes && inodes > 0)))) return true;
  }
  return false;
}

/// The reserve is given only once whoever fills the disk stands still, or is not to be found: else they would get it.
void Guard::tend_reserve(Seen& seen) {
  const auto space = seen.spaces.find(parts_.database);
  if (space == seen.spaces.end()) return;
  const bool roomy = space->second.bytes >= std::max(options_.floor, 2 * options_.reserve);
  if (roomy) reserve_.hold();
  else if (space->second.bytes < kTight && seen.found.empty()) seen.gave = reserve_.give();
}

asio::awaitable<void> Guard::note_space(std::map<std::string, Space> spaces) {
  static const auto free = metrics::gauge(measures::kFree);
  const auto least = least_of(spaces);
  if (least == spaces.end()) co_return;
  free.set(static_cast<double>(least->second.bytes));
  const bool was_low = low_.has_value();
  settle(least->second);
  if (low_.has_value() != was_low) {
    log::warn("disk", was_low ? "there is disk space again" : "little disk space is left; nothing new starts",
              {{"folder", least->first}, {"left", words_of(least->second, options_)}});
  }
  if (low_.has_value() == low_told_) co_return;
  // On a full disk the log may refuse; it is tried again with the next round.
  const bool told =
      co_await tell(low_ ? events::kLow : events::kEnough, least->first, "", "left", words_of(least->second, options_));
  if (told) low_told_ = low_.has_value();
}

/// One machine whose files are not to be seen from here.
asio::awaitable<void> Guard::count_elsewhere() {
  const auto now = SteadyClock::now();
  auto next = known_.end();
  for (auto one = known_.begin(); one != known_.end(); ++one) {
    if (!one->second.elsewhere || one->second.next_count > now) continue;
    if (next == known_.end() || one->second.next_count < next->second.next_count) next = one;
  }
  if (next == known_.end()) co_return;
  next->second.next_count = now + kCountEvery;
  const Known machine = next->second;
  auto& engine = parts_.engines.of(machine.engine);
  if (engine.away()) co_return;
  auto counted = co_await engine.disks()->footprint(machine.handle);
  if (counted && machine.most.bytes > 0 && counted->bytes > machine.most.bytes) condemn(machine);
}

/// It may have been for a moment only: looked at again while it stands still.
asio::awaitable<Result<>> Guard::judge(std::string name) {
  const auto known = known_.find(name);
  if (known == known_.end()) co_return Result<>{};
  const Known machine = known->second;
  auto* freezer = parts_.engines.of(machine.engine).freezer();
  if (freezer) co_await freezer->pause(machine.handle);
  auto look = [this, name] { return watch_.over(name); };
  const bool over = co_await offload(worker_, std::move(look));
  if (over) condemn(machine);
  else if (freezer) co_await freezer->resume(machine.handle);
  co_return Result<>{};
}

void Guard::condemn(const Known& machine) {
  static const auto over = metrics::counter(measures::kOver);
  over.add();
  condemned_.insert_or_assign(machine.instance, words_for_owner(machine.service, machine.most));
  log::warn("disk", "a machine wrote more than it may",
            {{"instance", machine.instance.str()}, {"machine", machine.service}});
}

/// Until it is on disk: on a full one that takes some rounds.
asio::awaitable<void> Guard::end_condemned() {
  const auto condemned = condemned_;
  for (const auto& [id, words] : condemned) {
    const auto live = parts_.labs.live(id);
    const std::string owner = live ? live->instance.owner : "";
    if (live) {
      auto stopped = co_await parts_.labs.stop_because(id, labs::Reason{labs::kOverDisk, words}, bus::Actor());
      if (!stopped) continue;
      co_await tell(events::kOver, id.str(), owner, "text", words);
    }
    condemned_.erase(id);
  }
}

asio::awaitable<bool> Guard::tell(bus::KindRef kind, std::string subject, std::string owner, std::string member,
                                  std::string text) {
  bus::Event event{kind, std::move(subject), std::move(owner), bus::Actor(), parts_.clock.now(), {}};
  event.detail = boost::json::serialize(boost::json::object{{member, text}});
  auto recorded = co_await bus::record(parts_.store, event);
  if (recorded) parts_.bus.publish(event);
  co_return recorded.has_value();
}

}  // namespace tiltyard::disk
