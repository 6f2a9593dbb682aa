// What is looked for in the DNS, how often, and who has a domain that several have asked for.
#include <fmt/format.h>

#include "bus/event_log.h"
#include "names/entry.h"
#include "names/events.h"
#include "observe/log.h"

namespace tiltyard::names {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

/// People wait for the first minutes; later on nobody does.
std::chrono::seconds pause_of(const Name& name, TimePoint now) {
  if (name.state == State::kHeld && name.address.is == Check::Is::kGood) return 15min;
  const auto age = now - (name.held_at ? *name.held_at : name.created_at);
  if (age < 10min) return 5s;
  if (age < 1h) return 30s;
  return age < 24h ? 5min : 30min;
}

}  // namespace

void Service::turn() {
  const auto now = steady_clock::now();
  for (const auto& [id, entry] : entries_) {
    const bool due = entry->name.kind == Kind::kOwn && entry->settled() && now >= entry->next_look;
    if (due && !entry->looking) gate_.spawn(parts_.home, "look into the DNS", look_alone(entry));
    if (!entry->busy && now >= entry->retry_at && next_move(entry->name, world_of(*entry)) != Move::kNothing)
      poke(entry);
  }
}

asio::awaitable<void> Service::look_alone(EntryRef entry) {
  const Turn turn(entry->looking);
  auto looked = co_await look_at(entry);
  if (!looked)
    log::warn("names", "what the DNS says of a name could not be kept",
              {{"name", entry->name.host}, {"cause", looked.error().cause}});
}

asio::awaitable<Result<Name>> Service::look(NameId id) {
  auto found = entry(id);
  if (!found) co_return fail(Code::kNotFound, "name-unknown", "There is no such name.");
  if (found->name.kind == Kind::kOwn && found->settled()) {
    if (auto looked = co_await look_at(found); !looked) co_return fail(std::move(looked.error()));
  }
  poke(found);
  co_return found->name;
}

asio::awaitable<Result<>> Service::look_at(EntryRef entry) {
  auto seen = co_await parts_.outside.look(entry->name);
  auto& name = entry->name;
  entry->next_look = steady_clock::now() + pause_of(name, parts_.clock.now());
  if (!entry->settled()) co_return Result<>{};
  const bool changed = seen.ownership != name.ownership || seen.address != name.address;
  name.ownership = std::move(seen.ownership);
  name.address = std::move(seen.address);
  if (name.state == State::kAsked && name.ownership.is == Check::Is::kGood) {
    if (parts_.outside.target(name) != Target::kGone) co_return co_await prove(entry);
    name.problem = "It is proved, but its instance has ended: lead it to another one.";
    co_return co_await save(entry);
  }
  if (!changed) co_return Result<>{};
  auto written = co_await save(entry);
  poke(entry);
  co_return written;
}

/// Whether somebody who has a domain gives way to somebody else who has proved that it is theirs: when their own proof
/// is gone. An answer that does not come changes nothing.
asio::awaitable<Result<bool>> Service::gives_way(EntryRef holder) {
  if (!holder->settled()) co_return false;  // it is on its way out already
  const auto seen = co_await parts_.outside.look(holder->name);
  if (seen.ownership.is != Check::Is::kBad || !holder->settled()) co_return false;
  auto told = holder->event(events::kElsewhere);
  auto left = co_await leave(holder, {});
  if (!left) co_return fail(std::move(left.error()));
  auto noted = co_await bus::record(parts_.store, told);
  if (noted) tell(told);
  poke(holder);
  co_return true;
}

/// The first proof wins; whoever else has asked is told.
asio::awaitable<Result<>> Service::prove(EntryRef entry) {
  auto& name = entry->name;
  if (const auto holder = holder_of(name.host); holder && holder != entry) {
    const auto way = co_await gives_way(holder);
    if (!way) co_return fail(way.error());
    if (holder->settled())
      name.problem = "Somebody else has proved this domain before you, and still does. Remove their TXT record.";
    entry->next_look = steady_clock::now() + 1s;
    co_return co_await save(entry);
  }
  name.state = State::kHeld;
  name.held_at = parts_.clock.now();
  name.problem.clear();
  auto written = co_await save(entry, entry->event(events::kHeld));
  if (!written) {
    name.state = State::kAsked;
    name.held_at.reset();
    co_return written;
  }
  poke(entry);
  for (const auto& [id, other] : std::map(entries_)) {
    if (other->name.host != name.host || other->name.state != State::kAsked) continue;
    other->name.problem = "Somebody else has proved this domain before you.";
    if (auto told = co_await save(other, other->event(events::kElsewhere)); !told) co_return told;
  }
  co_return Result<>{};
}

}  // namespace tiltyard::names
