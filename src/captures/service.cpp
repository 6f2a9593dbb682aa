#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

#include "bus/event_log.h"
#include "captures/events.h"
#include "captures/measures.h"
#include "captures/pcapng.h"
#include "captures/state.h"
#include "jobs/done_after.h"
#include "labs/capability.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "privileged/caller.h"

namespace tiltyard::captures {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using labs::InstanceState;
using privileged::Descriptor;

constexpr std::chrono::seconds kLookEvery{15};
constexpr std::chrono::seconds kUnattended{60};  // somebody looks on by then, or nobody wanted to
constexpr std::uint64_t kMostKept = 10'000;      // captures
constexpr std::size_t kMostGaps = 100;

std::unexpected<Error> not_running() {
  return fail(Code::kConflict, "instance-not-running",
              "The instance has no network yet, or none any more; packets can be captured while it starts or runs.");
}

/// What is heard for an instance: all of its own networks, and of one that it shares what is to or from its machines.
Result<std::vector<Heard>> heard_of(const labs::Instance& instance, const std::string& filter) {
  std::vector<Heard> out;
  for (const auto& network : instance.plan.networks) {
    const auto& spec = network->spec;
    Heard one{network->key.empty() ? "shared" : network->key, {spec.name, spec.shared, spec.egress}, filter};
    if (spec.shared) {
      std::vector<std::string> addresses;
      for (const auto& machine : instance.plan.machines) {
        for (const auto& attachment : machine.attachments) {
          if (attachment.network == spec.name) addresses.push_back(attachment.address);
        }
      }
      if (addresses.empty()) continue;
      one.filter = bpf::only_of(addresses, filter);
    }
    out.push_back(std::move(one));
  }
  if (out.empty()) return not_running();
  return out;
}

/// Blocking.
Result<std::vector<Descriptor>> open_taps(const std::shared_ptr<const privileged::Caller>& apart,
                                          const std::vector<Heard>& heard) {
  std::vector<Descriptor> out;
  for (const auto& one : heard) {
    const auto program = bpf::compile(one.filter);
    if (!program) return fail(program.error());
    auto tap = apart ? tap_through(*apart, one.wire, *program) : open_tap(one.wire, *program);
    if (!tap) return fail(std::move(tap.error()));
    out.push_back(std::move(*tap));
  }
  return out;
}

std::string head_of(const Capture& capture, const std::vector<Heard>& heard, const std::string& version) {
  std::vector<pcapng::Interface> interfaces;
  for (const auto& one : heard) interfaces.push_back({one.key, "network " + one.wire.network, one.filter});
  const auto comment = fmt::format(
      "capture {} of instance {}\ntemplate {} ({})\nowner {} ({})\nstarted {} for {}{}\nfilter: {}", capture.id,
      capture.instance.str(), capture.tmpl, capture.template_name, capture.owner, capture.owner_name,
      to_rfc3339(capture.started_at), to_string(capture.cause),
      capture.started_by.empty() ? "" : " by " + capture.started_by, capture.filter.empty() ? "none" : capture.filter);
  return pcapng::header("Tiltyard " + version, comment, interfaces);
}

/// For the server's account alone. Blocking.
Result<> write_head(const std::string& folder, const std::string& head) {
  const Descriptor file(::open((folder + "/head").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.open() || ::write(file.get(), head.data(), head.size()) != static_cast<ssize_t>(head.size()))
    return fail(Code::kExhausted, "captures-no-room", "The capture cannot be written to the server's disk.");
  return {};
}

void remove_folder(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) log::warn("captures", "a capture's files stay", {{"folder", folder}, {"cause", error.message()}});
}

struct Opened {
  std::shared_ptr<Ring> ring;
  std::unique_ptr<Receiver> receiver;
};

/// Blocking.
Result<Opened> open_all(const Parts& parts, const Options& options, const Capture& capture,
                        const std::vector<Heard>& heard, bool fresh) {
  auto taps = open_taps(parts.apart, heard);
  if (!taps) return fail(std::move(taps.error()));
  const auto folder = parts.folder + "/" + capture.id;
  auto ring = Ring::open(folder, {capture.bytes, capture.age}, parts.clock.now());
  if (!ring) return fail(std::move(ring.error()));
  if (fresh) {
    if (auto written = write_head(folder, head_of(capture, heard, parts.version)); !written)
      return fail(std::move(written.error()));
  }
  auto receiver = Receiver::start(std::move(*taps), *ring, options.buffer, parts.clock);
  if (!receiver) return fail(std::move(receiver.error()));
  return Opened{std::move(*ring), std::move(*receiver)};
}

}  // namespace

std::unexpected<Error> unknown_capture() {
  return fail(Code::kNotFound, "capture-unknown", "There is no such capture, or nothing is kept of it any more.");
}

Capture Running::shown(TimePoint now) const {
  Capture out = capture;
  if (receiver) {
    const auto counts = receiver->counts();
    out.packets += counts.packets;
    out.seen_bytes += counts.bytes;
    out.missed += counts.missed;
    out.unwritten += counts.unwritten;
    out.seen_at = now;
  }
  if (ring) out.size = ring->bytes();
  return out;
}

bus::Event Service::State::event(bus::KindRef kind, const Capture& capture, bus::Actor actor) const {
  return {kind,
          capture.instance.str(),
          capture.owner,
          std::move(actor),
          parts.clock.now(),
          json::serialize(json::object{{"capture", capture.id},
                                       {"cause", to_string(capture.cause)},
                                       {"filter", capture.filter},
                                       {"reason", capture.end_reason},
                                       {"packets", capture.packets},
                                       {"lost", capture.missed + capture.unwritten}})};
}

std::shared_ptr<void> Service::State::place_of(const std::string& id, std::uint64_t bytes) {
  opening.emplace(id, bytes);
  return {nullptr, [self = shared_from_this(), id](void*) { self->opening.erase(id); }};
}

/// Many may begin at once, as each instance of a template does: each counts from here on.
Result<std::shared_ptr<void>> Service::State::place_for(const std::string& id, std::uint64_t bytes) {
  if (options.at_once == 0)
    return fail(Code::kForbidden, "captures-off", "Nothing is captured here: captures.at_once is 0.");
  if (const auto all = running.size() + opening.size(); all >= options.at_once)
    return fail(Code::kExhausted, "captures-full",
                fmt::format("{} captures run, as many as may (captures.at_once); end one first.", all));
  return place_of(id, bytes);
}

/// All that may still be written has to fit: what has ended goes for it, the oldest first.
asio::awaitable<Result<>> Service::State::make_room() {
  while (true) {
    const auto kept = co_await rows.kept();
    if (!kept) co_return fail(kept.error());
    std::uint64_t taken = kept->bytes;
    for (const auto& [id, one] : running) taken += one->capture.bytes;
    for (const auto& [id, bytes] : opening) taken += bytes;
    if (taken <= options.total && kept->captures < kMostKept) co_return Result<>{};
    if (kept->captures == 0)
      co_return fail(Code::kExhausted, "captures-no-room",
                     "What runs may fill all the room that captures have (captures.total); end one, or keep less.");
    auto oldest = co_await rows.ended_by(parts.clock.now());
    if (!oldest) co_return fail(std::move(oldest.error()));
    if (oldest->empty()) co_return Result<>{};
    if (auto removed = co_await remove(oldest->front(), {}); !removed) co_return removed;
  }
}

asio::awaitable<Result<RunningRef>> Service::State::open(Capture capture, std::vector<Heard> heard, bool fresh) {
  auto work = [&parts = parts, options = options, capture, heard, fresh] {
    return std::make_shared<Result<Opened>>(open_all(parts, options, capture, heard, fresh));
  };
  auto opened = co_await offload(parts.files, std::move(work));
  if (!*opened) {
    if (fresh) remove_folder(folder_of(capture.id));
    co_return fail(std::move(opened->error()));
  }
  auto one = std::make_shared<Running>(std::move(capture), parts.home);
  one->ring = std::move((*opened)->ring);
  one->receiver = std::move((*opened)->receiver);
  running.emplace(one->capture.id, one);
  opening.erase(one->capture.id);
  co_return one;
}

asio::awaitable<Result<Capture>> Service::State::begin(Ask ask) {
  co_await load();
  Capture capture;
  capture.id = new_ulid();
  capture.bytes = ask.bytes == 0 ? options.each : ask.bytes;
  const auto place = place_for(capture.id, capture.bytes);
  if (!place) co_return fail(place.error());
  // In words about what was asked for, before it is put together with ours.
  auto compiled = co_await offload(parts.files, [filter = ask.filter] { return bpf::compile(filter); });
  if (!compiled) co_return fail(std::move(compiled.error()));
  const auto live = parts.labs.live(ask.instance);
  if (!live) co_return fail(Code::kNotFound, "instance-unknown", "There is no such instance, or it has ended.");
  const auto& instance = live->instance;
  if (live->ending() || instance.state == InstanceState::kQueued) co_return not_running();
  auto heard = heard_of(instance, ask.filter);
  if (!heard) co_return fail(std::move(heard.error()));
  capture.instance = instance.id;
  capture.tmpl = instance.tmpl.str();
  capture.template_name = *instance.template_name;
  capture.owner = instance.owner;
  capture.owner_name = instance.owner_name;
  capture.cause = ask.cause;
  capture.started_by = ask.actor.name;
  capture.filter = ask.filter;
  capture.age = ask.age;
  capture.started_at = capture.seen_at = parts.clock.now();
  if (ask.lasts.count() > 0) capture.until = capture.started_at + ask.lasts;
  capture.attended = ask.attended;
  for (const auto& one : *heard) capture.networks.push_back(one.key);
  if (auto room = co_await make_room(); !room) co_return fail(std::move(room.error()));
  auto opened = co_await open(capture, std::move(*heard), true);
  if (!opened) co_return fail(std::move(opened.error()));
  auto noted = co_await rows.put(capture, event(events::kStarted, capture, ask.actor));
  if (!noted || live->ending() || !parts.labs.live(ask.instance)) {
    auto ended = co_await end(capture.id, noted ? "instance-ended" : "store-failed", {});
    if (!noted) co_return fail(std::move(noted.error()));
    co_return ended;
  }
  co_return (*opened)->shown(parts.clock.now());
}

asio::awaitable<Result<Capture>> Service::State::find(std::string id) {
  if (const auto found = running.find(id); found != running.end()) co_return found->second->shown(parts.clock.now());
  auto row = co_await rows.find(id);
  if (!row) co_return fail(std::move(row.error()));
  if (!*row) co_return unknown_capture();
  co_return std::move(**row);
}

asio::awaitable<Result<Capture>> Service::State::end(std::string id, std::string reason, bus::Actor actor) {
  const auto found = running.find(id);
  if (found == running.end()) {
    auto row = co_await find(id);
    if (!row || row->ended_at) co_return row;
    left.erase(id);
    row->ended_at = row->seen_at;
    row->end_reason = std::move(reason);
    if (auto noted = co_await rows.put(*row, event(events::kEnded, *row, std::move(actor))); !noted)
      co_return fail(std::move(noted.error()));
    co_return row;
  }
  const auto one = found->second;
  if (one->ending) {
    co_await one->over.wait();
    co_return co_await find(std::move(id));
  }
  one->ending = true;
  // Cut in the middle, as the end of an instance is when the store does not answer, it has to be ended again.
  const std::shared_ptr<void> cut(nullptr, [one](void*) { one->ending = one->over.is_set(); });
  co_await offload(parts.files, [one] {
    one->receiver->finish();
    return true;
  });
  auto row = one->shown(parts.clock.now());
  row.ended_at = parts.clock.now();
  row.end_reason = std::move(reason);
  auto noted = co_await rows.put(row, event(events::kEnded, row, std::move(actor)));
  count();
  running.erase(id);
  one->over.set();
  if (!noted) co_return fail(std::move(noted.error()));
  co_return row;
}

asio::awaitable<Result<>> Service::State::remove(Capture capture, bus::Actor actor) {
  // Its row goes first: a folder without one is removed at the next start.
  auto gone = co_await rows.drop(capture.id, event(events::kRemoved, capture, std::move(actor)));
  if (!gone) co_return gone;
  co_await offload(parts.files, [folder = folder_of(capture.id)] {
    remove_folder(folder);
    return true;
  });
  co_return Result<>{};
}

/// What earlier processes were capturing: once, before anything else.
asio::awaitable<void> Service::State::load() {
  if (loading) {
    co_await loaded.wait();
    co_return;
  }
  loading = true;
  auto rows_left = co_await rows.open();
  if (!rows_left) log::error("captures", "what was captured cannot be read", {{"cause", rows_left.error().cause}});
  else
    for (auto& one : *rows_left) left.emplace(one.id, std::move(one));
  loaded.set();
}

/// Goes on with what an earlier process was capturing.
asio::awaitable<void> Service::State::go_on(Capture capture) {
  const auto id = capture.id;
  const auto now = parts.clock.now();
  const bool over = capture.until && *capture.until <= now;
  const auto live = parts.labs.live(capture.instance);
  if (over || capture.attended || !live) {
    std::ignore = co_await end(id, over ? "time" : capture.attended ? "left" : "server-away", {});
    co_return;
  }
  const auto place = place_of(id, capture.bytes);
  auto heard = heard_of(live->instance, capture.filter);
  if (capture.gaps.size() < kMostGaps) capture.gaps.push_back({capture.seen_at, now});
  auto opened = heard ? co_await open(capture, std::move(*heard), false) : Result<RunningRef>(fail(heard.error()));
  if (!opened) {
    log::warn("captures", "a capture could not go on",
              {{"capture", id}, {"why", opened.error().message}, {"cause", opened.error().cause}});
    std::ignore = co_await end(id, opened.error().reason, {});
    co_return;
  }
  std::ignore = co_await rows.put((*opened)->shown(now), std::nullopt);
}

void Service::State::count() {
  double bytes = 0;
  for (const auto& [id, one] : running) {
    bytes += static_cast<double>(one->ring->bytes());
    if (!one->receiver) continue;
    const auto now = one->receiver->counts();
    metrics::counter(measures::kLost, {"kernel"}).add(static_cast<double>(now.missed - one->told.missed));
    metrics::counter(measures::kLost, {"disk"}).add(static_cast<double>(now.unwritten - one->told.unwritten));
    one->told = now;
  }
  metrics::gauge(measures::kRunning).set(static_cast<double>(running.size()));
  metrics::gauge(measures::kBytes).set(bytes);
}

/// Ends what is over, writes down how far the rest is, and removes what is past its time.
asio::awaitable<Result<>> Service::State::look() {
  count();
  const auto now = parts.clock.now();
  std::vector<RunningRef> all;
  for (const auto& [id, one] : running) all.push_back(one);
  for (const auto& one : all) {
    const auto& capture = one->capture;
    const char* reason = nullptr;
    if (capture.until && *capture.until <= now) reason = "time";
    else if (!parts.labs.live(capture.instance)) reason = "instance-ended";
    else if (capture.attended && one->watchers == 0 && now - capture.started_at > kUnattended) reason = "left";
    auto done = Result<>{};
    if (reason != nullptr) {
      if (auto ended = co_await end(capture.id, reason, {}); !ended) done = fail(std::move(ended.error()));
    } else if (!one->ending) {
      done = co_await rows.put(one->shown(now), std::nullopt);
    }
    if (!done) co_return done;
  }
  std::vector<std::string> orphans;
  for (const auto& [id, capture] : left) {
    if (!parts.labs.live(capture.instance)) orphans.push_back(id);
  }
  for (auto& id : orphans) {
    if (auto ended = co_await end(std::move(id), "server-away", {}); !ended) co_return fail(std::move(ended.error()));
  }
  co_return co_await forget_ended();
}

asio::awaitable<Result<>> Service::State::forget_ended() {
  auto old = co_await rows.ended_by(parts.clock.now() - options.keep);
  if (!old) co_return fail(std::move(old.error()));
  for (auto& one : *old) {
    if (auto removed = co_await remove(std::move(one), {}); !removed) co_return removed;
  }
  co_return co_await make_room();
}

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(options, std::move(parts))) {
  jobs::Kind kind;
  kind.name = "captures.look";
  kind.about = "Ends captures whose time is over, and removes what is kept of those that ended long ago.";
  kind.handler = [state = state_.get()](jobs::Firing) { return jobs::done_after(state->look()); };
  state_->parts.jobs.declare_poll(std::move(kind), kLookEvery);
}

Service::~Service() = default;

asio::awaitable<Result<Capture>> Service::begin(Ask ask) { return state_->begin(std::move(ask)); }

asio::awaitable<Result<Capture>> Service::end(std::string id, std::string reason, bus::Actor actor) {
  return state_->end(std::move(id), std::move(reason), std::move(actor));
}

asio::awaitable<Result<>> Service::remove(std::string id, bus::Actor actor) {
  auto ended = co_await state_->end(std::move(id), "staff", actor);
  if (!ended) co_return fail(std::move(ended.error()));
  co_return co_await state_->remove(std::move(*ended), std::move(actor));
}

asio::awaitable<Result<std::vector<Capture>>> Service::list(InstanceId instance) {
  auto out = co_await state_->rows.newest(std::move(instance));
  if (!out) co_return out;
  for (auto& one : *out) {
    if (const auto found = state_->running.find(one.id); found != state_->running.end())
      one = found->second->shown(state_->parts.clock.now());
  }
  co_return out;
}

asio::awaitable<Result<Capture>> Service::find(std::string id) { return state_->find(std::move(id)); }

bool Service::runs(const std::string& id) const { return state_->running.contains(id); }

std::vector<Capture> Service::of_owner(const std::string& owner) const {
  std::vector<Capture> out;
  if (!state_->options.tell_owner) return out;
  for (const auto& [id, one] : state_->running) {
    if (one->capture.owner == owner) out.push_back(one->capture);
  }
  return out;
}

asio::awaitable<void> Service::take_up(InstanceId instance, std::optional<Ask> wanted) {
  co_await state_->load();
  std::vector<Capture> mine;
  for (const auto& [id, capture] : state_->left) {
    if (capture.instance == instance) mine.push_back(capture);
  }
  for (auto& one : mine) {
    if (state_->left.erase(one.id) > 0) co_await state_->go_on(std::move(one));
  }
  if (!wanted) co_return;
  const auto known = co_await state_->rows.newest(instance);
  const auto by_template = [](const Capture& one) { return one.cause == Cause::kTemplate; };
  if (!known || std::ranges::any_of(*known, by_template)) co_return;
  auto begun = co_await state_->begin(*wanted);
  if (begun) co_return;
  // Its player does not wait for what staff want; staff are told.
  const auto live = state_->parts.labs.live(instance);
  const bus::Event failed{events::kFailed,
                          instance.str(),
                          live ? live->instance.owner : std::string(),
                          {},
                          state_->parts.clock.now(),
                          json::serialize(json::object{{"why", begun.error().message}})};
  std::ignore = co_await bus::record(state_->parts.store, failed);
}

asio::awaitable<void> Service::let_go(InstanceId instance) {
  std::vector<std::string> ids;
  for (const auto& [id, one] : state_->running) {
    if (one->capture.instance == instance) ids.push_back(id);
  }
  for (const auto& [id, capture] : state_->left) {
    if (capture.instance == instance) ids.push_back(id);
  }
  for (auto& id : ids) std::ignore = co_await state_->end(std::move(id), "instance-ended", {});
}

/// Folders that no row knows: of a process that died between the two.
asio::awaitable<Result<>> Service::start() {
  co_await state_->load();
  std::vector<std::string> there;
  std::error_code error;
  for (fs::directory_iterator it(state_->parts.folder, error), end; !error && it != end; it.increment(error))
    there.push_back(it->path().filename().string());
  for (const auto& id : there) {
    if (state_->running.contains(id) || state_->opening.contains(id)) continue;
    const auto row = co_await state_->rows.find(id);
    if (!row) co_return fail(row.error());
    if (!*row) remove_folder(state_->folder_of(id));
  }
  co_return Result<>{};
}

asio::awaitable<void> Service::close() {
  state_->closing = true;
  co_await state_->gate.close();
  std::vector<RunningRef> all;
  for (const auto& [id, one] : state_->running) all.push_back(one);
  for (const auto& one : all) {
    if (one->ending) continue;
    co_await offload(state_->parts.files, [one] {
      one->receiver->finish();
      return true;
    });
    std::ignore = co_await state_->rows.put(one->shown(state_->parts.clock.now()), std::nullopt);
  }
  state_->running.clear();
}

}  // namespace tiltyard::captures
