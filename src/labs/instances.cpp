#include "labs/instances.h"

#include <fmt/format.h>

#include <boost/system/system_error.hpp>

#include <cassert>

#include "jobs/jobs.h"
#include "labs/reasons.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

constexpr std::chrono::seconds kFreeWithin{10};

}  // namespace

jobs::Kind job_kind(const char* name, const char* about, std::chrono::milliseconds timeout,
                    std::function<asio::awaitable<Result<jobs::Next>>()> work) {
  jobs::Kind kind;
  kind.name = name;
  kind.about = about;
  kind.timeout = timeout;
  kind.handler = [work = std::move(work)](jobs::Firing) { return work(); };
  return kind;
}

LiveRef Instances::find(const InstanceId& id) const {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : *found;
}

asio::awaitable<Result<LiveRef>> Instances::up_and_free(InstanceId id) {
  const auto until = std::chrono::steady_clock::now() + kFreeWithin;
  while (true) {
    const auto held = find(id);
    if (!held || held->instance.pool == PoolRole::kWaiting)
      co_return fail(Code::kNotFound, reason::kInstanceUnknown, "There is no such instance.");
    if (!is_up(held->instance.state) || held->ending()) {
      co_return fail(Code::kConflict, "instance-not-running",
                     "The instance neither runs nor sleeps, so nothing of it can be changed.");
    }
    if (held->free()) co_return held;
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= std::chrono::steady_clock::duration::zero()) {
      co_return fail(Code::kUnavailable, "instance-busy",
                     "The instance is being paused, woken or mended; try again in a moment.");
    }
    co_await held->changed.wait_for(left);
  }
}

std::size_t Instances::of_owner(const std::string& owner) const {
  const auto found = by_owner_.find(owner);
  return found == by_owner_.end() ? 0 : found->second;
}

void Instances::add(LiveRef live, bool counts) {
  if (counts) one_more(live->instance.owner);
  live_.insert(std::move(live));
}

void Instances::forget(const LiveRef& live) {
  if (const auto found = live_.find(live->instance.id); found != live_.end()) live_.erase(found);
  one_less(live->instance.owner);
  if (live->instance.pool == PoolRole::kWaiting) parts_.jobs.poke(kPools);
  live->changed.set();
}

void Instances::one_less(const std::string& owner) {
  const auto found = by_owner_.find(owner);
  if (found != by_owner_.end() && --found->second == 0) by_owner_.erase(found);
}

void Instances::start(Hold hold, std::string what, asio::awaitable<void> work) {
  what += " " + hold.live()->instance.id.str();
  gate_.spawn(parts_.home, std::move(what), see_through(std::move(hold), std::move(work)));
}

asio::awaitable<void> Instances::see_through(Hold hold, asio::awaitable<void> work) {
  const auto live = hold.live();
  co_await std::move(work);
  // A machine that ended meanwhile was not looked at, because somebody was busy with the instance: now it is.
  while (live->work.take_look() && is_up(live->instance.state)) {
    live->work.move(Doing::kMending);
    co_await care_->look_after(live);
  }
  if (knows(live) && live->ending()) co_await care_->end(live);
  hold.let_go();
  // What only the making needed goes: many may wait, or sleep, for long.
  if (is_up(live->instance.state) && live->kept != Kept::kCreated) live->making.reset();
  assert(contradiction(*live).empty());
}

asio::awaitable<Result<>> Instances::save(LiveRef live, bus::KindRef kind, bus::Actor actor) {
  assert(contradiction(*live).empty());
  const bool waits = live->instance.pool == PoolRole::kWaiting;
  auto event = waits ? bus::Event{} : event_of(live->instance, kind, actor);
  auto saved = co_await rows_.update(live->instance, std::move(event));
  if (saved) announce(*live, kind, actor);
  co_return saved;
}

asio::awaitable<void> Instances::save_surely(LiveRef live, bus::KindRef kind) {
  while (true) {
    // What nobody ever owned leaves no history.
    const bool gone = live->instance.pool == PoolRole::kWaiting && !live->instance.live();
    auto saved = gone ? co_await rows_.remove(live->instance.id) : co_await save(live, kind, "");
    if (saved) co_return;
    if (saved.error().reason == "shutting-down") { throw boost::system::system_error(asio::error::operation_aborted); }
    log::error("labs", "a state could not be saved; trying again",
               {{"instance", live->instance.id.str()}, {"kind", kind->name}, {"cause", saved.error().cause}});
    co_await sleep_for(std::chrono::seconds{1});
  }
}

void Instances::announce(Live& live, bus::KindRef kind, const bus::Actor& actor) {
  live.changed.pulse();
  if (live.instance.pool == PoolRole::kWaiting) return;  // nobody's business yet
  parts_.bus.publish(event_of(live.instance, kind, actor));
}

bus::Event Instances::event_of(const Instance& instance, bus::KindRef kind, bus::Actor actor) const {
  bus::Event event{kind, instance.id.str(), instance.owner, std::move(actor), parts_.clock.now(), {}};
  event.detail = fmt::format(R"({{"template":"{}","state":"{}"{}}})", instance.tmpl.str(), to_string(instance.state),
                             instance.reason ? fmt::format(R"(,"reason":"{}")", instance.reason->code) : "");
  return event;
}

}  // namespace tiltyard::labs
