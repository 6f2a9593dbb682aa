// Machines that are made of a snapshot.
#include <algorithm>
#include <ranges>

#include "base/failpoint.h"
#include "base/id.h"
#include "labs/capability.h"
#include "observe/log.h"
#include "snapshots/events.h"
#include "snapshots/references.h"

namespace tiltyard::snapshots {

asio::awaitable<Result<>> Service::roll_back(InstanceId instance, std::string which, bus::Actor actor) {
  auto one = find(instance, which);
  if (!one) co_return fail(std::move(one.error()));
  auto mine = turn(instance);
  if (!mine) co_return fail(std::move(mine.error()));
  co_return co_await to_the_end("roll back", begin_roll_back(std::move(*one), std::move(actor), std::move(*mine)));
}

/// The row, names of its own for the images, and then the instance begins anew. Names that are new each time make
/// machines that are new each time, also of the same snapshot.
asio::awaitable<Result<>> Service::begin_roll_back(Snapshot one, bus::Actor actor,
                                                   [[maybe_unused]] std::shared_ptr<Turn> turn) {
  const auto in_use = parts_.labs.use(one.instance);
  auto done = co_await parts_.labs.wake(one.instance);
  if (!done) co_return done;
  Use use{random_hex(4), one.instance, one.engine, one.id, {}, true, parts_.clock.now()};
  for (const auto& part : one.parts) use.machines.push_back(part.machine);
  done = co_await rows_.put(use, event_of(one, events::kRolledBack, actor));
  if (!done) co_return done;
  uses_[use.id] = use;
  co_await failpoint("snapshots.roll-back.row.after");
  auto* const snapshots = engine::snapshots_of(parts_.engines.of(one.engine));
  for (std::size_t i = 0; done && i < use.machines.size(); ++i)
    done = co_await snapshots->name_snapshot(reference_of(one, i), reference_of(use, i));
  if (done) done = co_await failpoint("snapshots.roll-back.names.after");
  if (done) done = co_await parts_.labs.remake(one.instance, std::move(actor));
  if (done) co_return done;
  // What cannot be dropped now the sweep drops.
  co_await drop_use(std::move(use));
  co_return done;
}

asio::awaitable<Result<>> Service::drop_use(Use use) {
  auto* const snapshots = engine::snapshots_of(parts_.engines.of(use.engine));
  for (std::size_t i = 0; snapshots && i < use.machines.size(); ++i) {
    auto dropped = co_await snapshots->drop_snapshot(reference_of(use, i));
    if (!dropped) co_return dropped;
  }
  auto dropped = co_await rows_.drop_use(use.id);
  if (dropped) uses_.erase(use.id);
  co_return dropped;
}

/// Oldest first.
std::vector<Use> Service::uses_of(const InstanceId& instance) const {
  std::vector<Use> out;
  for (const auto& one : uses_ | std::views::values) {
    if (one.instance == instance) out.push_back(one);
  }
  std::ranges::sort(out, {}, &Use::created_at);
  return out;
}

asio::awaitable<Result<labs::MadeOf>> Service::made_of(InstanceId instance) {
  auto loaded = co_await start();
  if (!loaded) co_return fail(std::move(loaded.error()));
  labs::MadeOf out;
  const auto uses = uses_of(instance);
  if (uses.empty()) co_return out;
  const auto& use = uses.back();
  for (std::size_t i = 0; i < use.machines.size(); ++i) out.images[use.machines[i]] = reference_of(use, i);
  out.anew = use.pending;
  co_return out;
}

asio::awaitable<Result<>> Service::made(InstanceId instance) {
  auto uses = uses_of(instance);
  if (uses.empty()) co_return Result<>{};
  auto newest = std::move(uses.back());
  uses.pop_back();
  if (newest.pending) {
    newest.pending = false;
    auto written = co_await rows_.put(newest, std::nullopt);
    if (!written) co_return written;
    uses_[newest.id] = newest;
  }
  for (auto& use : uses) {
    auto dropped = co_await drop_use(std::move(use));
    if (!dropped)
      log::warn("snapshots", "what machines were made of before stays until the next sweep",
                {{"instance", instance.str()}, {"cause", dropped.error().cause}});
  }
  co_return Result<>{};
}

/// One that is pending while its instance is up never came as far as that its machines give way.
asio::awaitable<Result<>> Service::drop_idle_uses() {
  look_again_ = false;
  std::vector<Use> idle;
  for (const auto& use : uses_ | std::views::values) {
    const auto live = parts_.labs.live(use.instance);
    const bool newest = uses_of(use.instance).back().id == use.id;
    if (live && newest && !use.pending) continue;
    // Whoever has the instance in hand may be making its machines of it.
    const bool in_hand = busy_.contains(use.instance) || (live && !(labs::is_up(live->instance.state) && live->free()));
    look_again_ = look_again_ || in_hand;
    if (!in_hand && !parts_.engines.of(use.engine).away()) idle.push_back(use);
  }
  for (auto& use : idle) {
    const auto mine = turn(use.instance);
    const auto live = parts_.labs.live(use.instance);
    if (!mine || (live && !live->free())) continue;
    auto done = co_await drop_use(std::move(use));
    if (!done) co_return done;
  }
  co_return Result<>{};
}

}  // namespace tiltyard::snapshots
