// Asking, pointing and dropping, and the one coroutine that goes on with each name.
#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include <boost/json.hpp>

#include "base/failpoint.h"
#include "labs/events.h"
#include "names/entry.h"
#include "names/events.h"
#include "names/names.h"
#include "observe/log.h"

namespace tiltyard::names {

namespace json = boost::json;

bus::Event Service::Entry::event(bus::KindRef kind, bus::Actor actor) const {
  bus::Event event;
  event.kind = kind;
  event.subject = name.host;
  event.owner = name.owner;
  event.actor = std::move(actor);
  event.detail = json::serialize(json::object{{"kind", to_string(name.kind)}, {"instance", name.instance.str()}});
  return event;
}

Service::Service(const Options& options, Site site, Parts parts)
    : options_(options), site_(std::move(site)), parts_(parts), rows_(parts.store) {}

Service::~Service() = default;

asio::awaitable<Result<>> Service::start() {
  auto rows = co_await rows_.all();
  if (!rows) co_return fail(std::move(rows.error()));
  for (auto& name : *rows) {
    const auto id = name.id;
    entries_.emplace(id, std::make_shared<Entry>(std::move(name)));
  }
  co_return Result<>{};
}

void Service::begin() {
  begun_ = true;
  subscription_ = parts_.bus.subscribe([this](const bus::Event& event) { heed(event); });
  for (const auto& [id, entry] : entries_) poke(entry);
}

asio::awaitable<void> Service::close() {
  subscription_.reset();
  co_await gate_.close();
}

/// An instance has begun, ended or moved on: its names look again, and those that wait for one of its template.
void Service::heed(const bus::Event& event) {
  const bus::KindRef heeded[] = {labs::events::kRunning, labs::events::kFailed,  labs::events::kStopping,
                                 labs::events::kStopped, labs::events::kExpired, labs::events::kEnding};
  if (std::ranges::find(heeded, event.kind) == std::end(heeded)) return;
  for (const auto& [id, entry] : entries_) {
    const auto& name = entry->name;
    if (name.instance.str() == event.subject || (name.follow && name.owner == event.owner)) poke(entry);
  }
}

Service::EntryRef Service::entry(const NameId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second;
}

const Name* Service::find(const NameId& id) const {
  const auto found = entry(id);
  return found ? &found->name : nullptr;
}

std::vector<Name> Service::all() const {
  std::vector<Name> names;
  for (const auto& [id, entry] : entries_) names.push_back(entry->name);
  return names;
}

Service::EntryRef Service::holder_of(const std::string& host) const {
  for (const auto& [id, entry] : entries_) {
    if (entry->name.host == host && entry->name.held_at) return entry;
  }
  return nullptr;
}

Result<> Service::may_have(const Asked& asked, const std::string& owner) const {
  std::size_t mine = 0;
  for (const auto& [id, entry] : entries_) {
    const auto& name = entry->name;
    const bool same = name.host == asked.host;
    if (name.owner == owner) {
      if (same && name.state == State::kLeaving)
        return fail(Code::kConflict, "name-leaving", "This name is just being taken back; ask again in a moment.");
      if (same && name.state != State::kResting)
        return fail(Error{Code::kConflict, "name-yours", "You have this name already.", {}, {{"id", id.str()}}});
      if (name.state != State::kResting) ++mine;
    } else if (asked.kind == Kind::kFree && name.kind == Kind::kFree && name.skeleton == asked.skeleton) {
      return fail(Code::kConflict, "name-taken",
                  same ? "Somebody else has this name, or had it until lately."
                       : fmt::format("This name looks like {}, which somebody else has.", name.host));
    }
  }
  if (mine >= options_.per_owner)
    return fail(Code::kLimited, "names-full",
                fmt::format("You have {} names, which is as many as you may (names.per_owner). Drop one first.", mine));
  return {};
}

asio::awaitable<Result<Name>> Service::ask(std::string typed, Pointing pointing, Asker who) {
  const auto asked = check_asked(typed, site_);
  if (!asked) co_return fail(asked.error());
  if (auto allowed = may_have(*asked, who.owner); !allowed) co_return fail(std::move(allowed.error()));
  Name name;
  name.id = NameId(new_ulid());
  name.host = asked->host;
  name.skeleton = asked->skeleton;
  name.kind = asked->kind;
  name.owner = who.owner;
  name.user = who.user;
  name.instance = pointing.instance;
  name.tmpl = pointing.tmpl;
  name.endpoint = pointing.endpoint;
  name.follow = pointing.follow;
  name.created_at = parts_.clock.now();
  const bool given = name.kind == Kind::kFree;
  if (given) {
    name.state = State::kHeld;
    name.held_at = name.created_at;
  } else {
    name.token = random_hex(16);
  }
  // Their own name that rests ends its rest.
  if (const auto resting = given ? holder_of(name.host) : nullptr) {
    if (auto gone = co_await make(resting, Move::kForget); !gone) co_return fail(std::move(gone.error()));
    if (auto allowed = may_have(*asked, who.owner); !allowed) co_return fail(std::move(allowed.error()));
  }
  auto made = std::make_shared<Entry>(std::move(name));
  made->busy = true;
  entries_.emplace(made->name.id, made);
  auto written = co_await save(made, made->event(given ? events::kHeld : events::kAsked, who.actor));
  made->busy = false;
  if (!written) {
    entries_.erase(made->name.id);
    co_return fail(std::move(written.error()));
  }
  if (given) poke(made);
  else gate_.spawn(parts_.home, "look for a proof", look_alone(made));
  co_return made->name;
}

asio::awaitable<Result<Name>> Service::point(NameId id, Pointing pointing) {
  auto found = entry(id);
  if (!found) co_return fail(Code::kNotFound, "name-unknown", "There is no such name.");
  if (found->name.state != State::kAsked && found->name.state != State::kHeld)
    co_return fail(Code::kConflict, "name-leaving", "This name is being taken back; ask for it again.");
  found->name.instance = pointing.instance;
  found->name.tmpl = pointing.tmpl;
  found->name.endpoint = pointing.endpoint;
  found->name.follow = pointing.follow;
  found->name.problem.clear();
  found->turn_away();
  found->next_look = {};
  auto written = co_await save(found);
  if (!written) co_return fail(std::move(written.error()));
  poke(found);
  co_return found->name;
}

asio::awaitable<Result<>> Service::leave(EntryRef entry, bus::Actor actor) {
  entry->name.state = State::kLeaving;
  entry->name.problem.clear();
  co_return co_await save(entry, entry->event(events::kDropped, std::move(actor)));
}

asio::awaitable<Result<>> Service::drop(NameId id, bus::Actor actor) {
  auto found = entry(id);
  if (!found) co_return fail(Code::kNotFound, "name-unknown", "There is no such name.");
  if (found->name.state != State::kLeaving && found->name.state != State::kResting) {
    if (auto written = co_await leave(found, std::move(actor)); !written) co_return fail(std::move(written.error()));
  }
  poke(found);
  co_return Result<>{};
}

asio::awaitable<void> Service::forget(std::string owner) {
  for (const auto& name : all()) {
    if (name.owner != owner) continue;
    auto dropped = co_await drop(name.id, {});
    if (!dropped) log::warn("names", "a name of somebody who is gone stays for now", {{"name", name.host}});
  }
}

asio::awaitable<Result<>> Service::save(EntryRef entry, std::optional<bus::Event> event) {
  if (event) event->at = parts_.clock.now();
  auto written = co_await rows_.put(entry->name, event);
  if (written && event) tell(*event);
  co_return written;
}

void Service::tell(const bus::Event& event) { parts_.bus.publish(event); }

World Service::world_of(const Entry& entry) const {
  World world;
  world.target = parts_.outside.target(entry.name);
  world.successor =
      world.target == Target::kGone && entry.name.follow && parts_.outside.successor(entry.name).has_value();
  world.records = parts_.outside.records();
  world.certificates = parts_.outside.certificates(entry.name);
  world.led = entry.led;
  world.wanted = entry.wanted;
  world.now = parts_.clock.now();
  return world;
}

void Service::poke(const EntryRef& entry) {
  if (!begun_) return;
  entry->again = true;
  if (entry->busy) return;
  entry->busy = true;
  gate_.spawn(parts_.home, "go on with a name", tend(entry));
}

asio::awaitable<void> Service::tend(EntryRef entry) {
  const Turn turn(entry->busy);
  while (std::exchange(entry->again, false)) {
    for (;;) {
      const auto move = next_move(entry->name, world_of(*entry));
      if (move == Move::kNothing) break;
      auto made = co_await make(entry, move);
      if (made && move == Move::kForget) co_return;
      if (made) {
        entry->pause.reset();
        continue;
      }
      const auto pause = entry->pause.next();
      entry->retry_at = std::chrono::steady_clock::now() + pause;
      log::warn("names", "a name has to wait",
                {{"name", entry->name.host}, {"reason", made.error().reason}, {"cause", made.error().cause}});
      if (std::exchange(entry->name.problem, made.error().message) != made.error().message) co_await save(entry);
      break;
    }
    const bool works = entry->name.state == State::kHeld && next_move(entry->name, world_of(*entry)) == Move::kNothing;
    if (works && !entry->name.problem.empty()) {
      entry->name.problem.clear();
      co_await save(entry);
    }
  }
}

asio::awaitable<Result<>> Service::write_record(EntryRef entry) {
  // The row says first that there may be one: a crash behind the writing must not leave one that nobody knows.
  if (entry->name.record == Record::kNone) {
    entry->name.record = Record::kMaybe;
    if (auto written = co_await save(entry); !written) co_return written;
  }
  if (auto stop = co_await failpoint("names.record.before"); !stop) co_return stop;
  if (auto done = co_await parts_.outside.write_record(entry->name.host); !done) co_return done;
  if (auto stop = co_await failpoint("names.record.after"); !stop) co_return stop;
  entry->name.record = Record::kThere;
  co_return co_await save(entry);
}

asio::awaitable<Result<>> Service::make(EntryRef entry, Move move) {
  auto& name = entry->name;
  auto& outside = parts_.outside;
  switch (move) {
    case Move::kNothing:
      co_return Result<>{};
    case Move::kFollow: {
      const auto next = outside.successor(name);
      if (!next) co_return Result<>{};
      name.instance = *next;
      entry->turn_away();
      co_return co_await save(entry);
    }
    case Move::kWriteRecord:
      co_return co_await write_record(entry);
    case Move::kRoute: {
      entry->led = Led::kThere;  // changed by whoever points it elsewhere meanwhile
      auto done = co_await outside.route(name);
      if (!done) entry->turn_away();
      co_return done;
    }
    case Move::kWantCertificate: {
      if (!name.certificate) {
        name.certificate = true;
        if (auto written = co_await save(entry); !written) co_return written;
      }
      if (auto stop = co_await failpoint("names.certificate.before"); !stop) co_return stop;
      auto done = co_await outside.want_certificate(name);
      entry->wanted = done.has_value();
      co_return done;
    }
    case Move::kLeave:
      co_return co_await leave(entry, {});
    case Move::kDropRecord: {
      if (auto stop = co_await failpoint("names.drop.before"); !stop) co_return stop;
      if (auto done = co_await outside.drop_record(name.host); !done) co_return done;
      if (auto stop = co_await failpoint("names.drop.after"); !stop) co_return stop;
      name.record = Record::kNone;
      co_return co_await save(entry);
    }
    case Move::kUnroute: {
      auto done = co_await outside.unroute(name.host);
      if (done) entry->led = Led::kNowhere;
      co_return done;
    }
    case Move::kReleaseCertificate: {
      if (auto done = co_await outside.release_certificate(name.host); !done) co_return done;
      name.certificate = entry->wanted = false;
      co_return co_await save(entry);
    }
    case Move::kRest:
      name.state = State::kResting;
      name.rests_until = parts_.clock.now() + options_.rest;
      co_return co_await save(entry);
    case Move::kForget: {
      if (auto gone = co_await rows_.remove(name.id); !gone) co_return gone;
      const auto host = name.host;
      entries_.erase(name.id);
      // Whoever has asked for the same domain may have it now.
      for (const auto& [id, other] : entries_) {
        if (other->name.host == host && other->name.state == State::kAsked) other->next_look = {};
      }
      co_return Result<>{};
    }
  }
  co_return Result<>{};
}

}  // namespace tiltyard::names
