#include "labs/machine_calls.h"

#include <fmt/format.h>
#include <boost/json/array.hpp>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/parallel.h"
#include "engine/reasons.h"
#include "labs/reasons.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::size_t kServiceShare = 10;  // the admin token's, as with limiters: scripts need room
constexpr std::chrono::seconds kFirstWait{1}, kLongestWait{60};

asio::awaitable<void> end_command(std::shared_ptr<engine::ExecSession> session,
                                  [[maybe_unused]] std::shared_ptr<void> seat,
                                  [[maybe_unused]] std::shared_ptr<void> in_use) {
  auto wait = kFirstWait;
  while (true) {
    auto stopped = co_await session->stop();
    if (stopped) break;
    // What cannot be killed keeps its stream, which nobody reads: it stands still at a full pipe, and its user has one
    // less.
    if (stopped.error().reason != "command-runs") session->close();
    log::warn("labs", "a command in a machine could not be ended; it is tried again",
              {{"reason", stopped.error().reason}, {"seconds", static_cast<int>(wait.count())}});
    co_await sleep_for(wait);
    wait = std::min(wait * 2, kLongestWait);
  }
  session->close();
}

/// Ends a command from outside, if it still is there.
asio::awaitable<Result<>> throw_out(std::weak_ptr<engine::ExecSession> session) {
  const auto running = session.lock();
  if (!running) co_return Result<>{};
  co_return co_await running->stop();
}

/// A stream of which nothing is handed out that is not recorded.
class Recorded final : public engine::ExecSession {
 public:
  Recorded(std::unique_ptr<engine::ExecSession> session, std::unique_ptr<recordings::Recorder> recorder)
      : session_(std::move(session)), recorder_(std::move(recorder)) {}

  asio::awaitable<Result<Chunk>> read() override {
    auto chunk = co_await session_->read();
    if (!chunk || chunk->data.empty()) co_return chunk;
    if (auto kept = recorder_->output(chunk->data); !kept) {
      // What cannot be stopped now is stopped by whoever lets go of it.
      std::ignore = co_await session_->stop();
      co_return fail(std::move(kept.error()));
    }
    co_await recorder_->keep_up();
    co_return chunk;
  }
  asio::awaitable<Result<>> write(std::string bytes) override { return session_->write(std::move(bytes)); }
  void close_input() override { session_->close_input(); }
  asio::awaitable<Result<>> resize(int columns, int rows) override {
    auto resized = co_await session_->resize(columns, rows);
    if (resized) recorder_->resize(columns, rows);
    co_return resized;
  }
  asio::awaitable<Result<int>> exit_code() override { return session_->exit_code(); }
  asio::awaitable<Result<>> stop() override { return session_->stop(); }
  void close() override { session_->close(); }

 private:
  std::unique_ptr<engine::ExecSession> session_;
  std::unique_ptr<recordings::Recorder> recorder_;
};

}  // namespace

Result<engine::Handle> machine_of(const Instance& instance, const std::string& wanted) {
  if (instance.state != InstanceState::kRunning && instance.state != InstanceState::kPaused &&
      instance.state != InstanceState::kStarting) {
    return fail(Code::kConflict, "instance-not-running", "The instance does not run; its machines cannot be reached.");
  }
  std::string service = wanted;
  if (service.empty() && !instance.plan.endpoints.empty()) service = instance.plan.endpoints.front().machine;
  for (const auto& machine : instance.plan.machines) {
    if (service.empty() || machine.service == service) return machine.handle;
  }
  return fail(Code::kNotFound, reason::kMachineUnknown,
              fmt::format("The instance has no machine '{}'.", wanted.substr(0, 60)));
}

std::string service_of(const Instance& instance, const engine::Handle& handle) {
  for (const auto& machine : instance.plan.machines)
    if (machine.handle == handle) return machine.service;
  return {};
}

int number_in(const std::string& text, int standard, int least, int most) {
  int value = standard;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return std::clamp(value, least, most);
}

Error for_player(Error error) {
  if (error.reason == engine::reason::kAway || error.reason == engine::reason::kLost)
    error.reason = reason::kEngineUnavailable;
  if (error.reason == engine::reason::kMachineMissing) error.reason = reason::kMachineUnknown;
  return error;
}

asio::awaitable<Result<std::shared_ptr<void>>> awake(PartsRef parts, InstanceId id) {
  auto in_use = parts->service.use(id);
  auto woken = co_await parts->service.wake(id);
  if (!woken) co_return fail(for_player(std::move(woken.error())));
  co_return in_use;
}

std::optional<std::pair<int, int>> columns_and_rows(const boost::json::value& value) {
  const auto* pair = value.if_array();
  if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64() || !(*pair)[1].is_int64()) return std::nullopt;
  const auto cut = [](const boost::json::value& size) {
    return static_cast<int>(std::clamp<std::int64_t>(size.get_int64(), 1, 1000));
  };
  return std::pair(cut((*pair)[0]), cut((*pair)[1]));
}

Result<std::shared_ptr<void>> seat_for(Kind kind, const identity::Principal& who) {
  const std::size_t most = kind.most * (who.kind == "service" ? kServiceShare : 1);
  auto taken = kind.seats.take(who.user.str(), most);
  if (taken) return taken;
  return fail(Code::kLimited, kind.reason,
              fmt::format("You have {} {} at once already, which is the most (labs.{}). End one first.", most,
                          kind.what, kind.key));
}

Kind commands_of(Open& open, const Options& options) {
  return {open.commands, options.commands_per_user, "too-many-commands", "commands", "commands_per_user", "command"};
}

Kind shells_of(Open& open, const Options& options) {
  return {open.shells, options.shells_per_user, "too-many-shells", "shells", "shells_per_user", "terminal"};
}

Running::Running(PartsRef p, std::unique_ptr<engine::ExecSession> s, std::shared_ptr<void> place,
                 std::shared_ptr<void> use)
    : parts(std::move(p)), session(std::move(s)), seat(std::move(place)), in_use(std::move(use)) {}

Running::~Running() {
  auto work = end_command(std::move(session), std::move(seat), std::move(in_use));
  parts->gate.spawn(parts->home, "end a command", std::move(work));
}

asio::awaitable<Result<Place>> place_in(PartsRef parts, Instance instance, identity::Principal who, bus::Actor by,
                                        std::string machine, Kind kind) {
  auto handle = machine_of(instance, machine);
  if (!handle) co_return fail(std::move(handle.error()));
  auto taken = seat_for(kind, who);
  if (!taken) co_return fail(std::move(taken.error()));
  auto in_use = co_await awake(parts, instance.id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  Sessions::Facts facts{instance.id, new_ulid(),        service_of(instance, *handle), kind.name, who.user,
                        who.name,    parts->clock.now()};
  Place place{instance.plan.engine, std::move(*handle), std::move(*taken),
              std::move(*in_use),   std::move(facts),   std::nullopt};
  if (instance.plan.record_terminals) {
    place.record.emplace();
    place.record->instance = instance.id;
    place.record->owner = instance.owner;
    place.record->machine = place.facts.machine;
    place.record->kind = "terminal";
    place.record->by = std::move(by);
  }
  co_return place;
}

asio::awaitable<Result<Place>> place_of(PartsRef parts, http::Request request, std::string machine, Kind kind) {
  auto instance = co_await visible_instance(&parts->service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  co_return co_await place_in(parts, std::move(*instance), identity::principal_of(request), identity::actor_of(request),
                              std::move(machine), kind);
}

asio::awaitable<Result<std::shared_ptr<Running>>> run_at(PartsRef parts, Place place, engine::ExecSpec spec) {
  auto& its_engine = parts->engines.of(place.engine);
  engine::Shell* const shell = its_engine.shell();
  if (!shell) co_return engine::cannot(its_engine, "run commands in its machines");
  std::unique_ptr<recordings::Recorder> recorder;
  if (spec.terminal && place.record) {
    place.record->columns = spec.columns;
    place.record->rows = spec.rows;
    auto begun = co_await parts->recordings.begin(std::move(*place.record));
    if (!begun) co_return fail(std::move(begun.error()));
    recorder = std::move(*begun);
  }
  auto opened = co_await shell->exec(std::move(place.machine), std::move(spec));
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  auto stream = std::move(*opened);
  if (recorder) stream = std::make_unique<Recorded>(std::move(stream), std::move(recorder));
  auto running =
      std::make_shared<Running>(std::move(parts), std::move(stream), std::move(place.seat), std::move(place.in_use));
  running->listed = running->parts->service.sessions().list(
      {std::move(place.facts), [session = std::weak_ptr(running->session)] { return throw_out(session); }});
  co_return running;
}

asio::awaitable<Result<Shell>> open_shell(PartsRef parts, OpenRef open, ShellWish wish) {
  auto found = co_await parts->service.find(wish.instance);
  if (!found) co_return fail(std::move(found.error()));
  if (!*found || !owns(wish.who, **found))
    co_return fail(Code::kNotFound, reason::kInstanceUnknown, "There is no such instance.");
  const auto kind = wish.terminal ? shells_of(*open, parts->options) : commands_of(*open, parts->options);
  auto place = co_await place_in(parts, std::move(**found), std::move(wish.who), std::move(wish.by),
                                 std::move(wish.machine), kind);
  if (!place) co_return fail(std::move(place.error()));
  engine::ExecSpec spec;
  spec.command = std::move(wish.command);
  if (spec.command.empty()) spec.command = {"sh", "-c", std::string(kAShell)};
  spec.environment = std::move(wish.environment);
  spec.terminal = wish.terminal;
  spec.columns = wish.columns;
  spec.rows = wish.rows;
  Shell shell{place->facts.id, place->facts.machine, nullptr, nullptr};
  auto running = co_await run_at(std::move(parts), std::move(*place), std::move(spec));
  if (!running) co_return fail(std::move(running.error()));
  shell.session = (*running)->session;
  shell.running = std::move(*running);
  co_return shell;
}

}  // namespace tiltyard::labs
