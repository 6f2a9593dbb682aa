// Into the machines of an instance: logs, commands, a terminal.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <charconv>

#include "base/parallel.h"
#include "labs/http.h"
#include "labs/seats.h"
#include "net/body.h"
#include "observe/log.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::size_t kMostOutput = 256 * 1024;  // bytes that a command may say, on both streams together
constexpr std::chrono::seconds kLongestCommand{120};
constexpr std::size_t kLongestWord = 64 * 1024;  // bytes of one of a command
constexpr std::size_t kAnswerPiece = 16 * 1024;  // bytes of output that are made JSON of at a time
constexpr std::size_t kServiceShare = 10;        // the admin token's, as with limiters: scripts need room
constexpr std::chrono::seconds kFirstWait{1}, kLongestWait{60};

/// What a user has open in machines.
struct Open {
  Seats commands, shells, followed_logs;
};
using OpenRef = std::shared_ptr<Open>;

/// The machine that the caller means: named, or the first endpoint's, or the first.
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
  return fail(Code::kNotFound, "machine-unknown",
              fmt::format("The instance has no machine '{}'.", wanted.substr(0, 60)));
}

int number(const std::string& text, int standard, int least, int most) {
  int value = standard;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return std::clamp(value, least, most);
}

/// The engine's names are ours alone: a player is told of the range, not of its insides.
Error for_player(Error error) {
  if (error.reason == "engine-away" || error.reason == "engine-lost") error.reason = "engine-unavailable";
  if (error.reason == "machine-missing") error.reason = "machine-unknown";
  return error;
}

/// What keeps the instance awake from now on; it is woken first if it sleeps.
asio::awaitable<Result<std::shared_ptr<void>>> awake(PartsRef parts, InstanceId id) {
  auto in_use = parts->service.use(id);
  auto woken = co_await parts->service.wake(id);
  if (!woken) co_return fail(for_player(std::move(woken.error())));
  co_return in_use;
}

asio::awaitable<Result<std::unique_ptr<engine::ExecSession>>> run_in(engine::Engine& engine, engine::Handle handle,
                                                                     engine::ExecSpec spec) {
  engine::Shell* const shell = engine.shell();
  if (!shell) co_return engine::cannot(engine, "run commands in its machines");
  co_return co_await shell->exec(std::move(handle), std::move(spec));
}

/// A seat for the caller. `name`: the key of the configuration that says how many there are.
Result<std::shared_ptr<void>> seat(Seats& seats, const Request& request, std::size_t most, const char* reason,
                                   const char* what, const char* key) {
  const auto& who = identity::principal_of(request);
  if (who.kind == "service") most *= kServiceShare;
  auto taken = seats.take(who.user.str(), most);
  if (taken) return taken;
  return fail(
      Code::kLimited, reason,
      fmt::format("You have {} {} at once already, which is the most (labs.{}). End one first.", most, what, key));
}

asio::awaitable<void> put_down(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<void> seat,
                               std::shared_ptr<void> in_use);

/// A command under way. Whoever lets go of it last, and why ever, the command does not outlive it: it is killed in the
/// machine, and only then are its user's seat and the instance's rest given back. Made on the home loop.
struct Running {
  PartsRef parts;
  std::shared_ptr<engine::ExecSession> session;
  std::shared_ptr<void> seat, in_use;

  Running(PartsRef p, std::unique_ptr<engine::ExecSession> s, std::shared_ptr<void> place, std::shared_ptr<void> use)
      : parts(std::move(p)), session(std::move(s)), seat(std::move(place)), in_use(std::move(use)) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    auto work = put_down(std::move(session), std::move(seat), std::move(in_use));
    parts->gate.spawn(parts->home, "end a command", std::move(work));
  }
};

asio::awaitable<void> put_down(std::shared_ptr<engine::ExecSession> session,
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

asio::awaitable<void> copy_logs(std::shared_ptr<engine::ByteStream> from, std::shared_ptr<http::BodyWriter> to,
                                [[maybe_unused]] std::shared_ptr<void> in_use,
                                [[maybe_unused]] std::shared_ptr<void> seat) {
  while (true) {
    auto piece = co_await from->read();
    if (!piece || piece->empty()) break;
    auto written = co_await to->write(std::move(*piece));
    if (!written) break;
  }
  from->close();
}

asio::awaitable<Result<Response>> logs(PartsRef parts, OpenRef open, Request request) {
  auto instance = co_await visible_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto handle = machine_of(*instance, request.query_value("machine"));
  if (!handle) co_return fail(std::move(handle.error()));
  engine::LogOptions options;
  options.tail = number(request.query_value("tail"), 200, 0, 10'000);
  options.follow = request.query_value("follow") == "1";
  std::shared_ptr<void> followed;
  if (options.follow) {
    auto taken = seat(open->followed_logs, request, parts->options.followed_logs_per_user, "too-many-followed-logs",
                      "followed logs", "followed_logs_per_user");
    if (!taken) co_return fail(std::move(taken.error()));
    followed = std::move(*taken);
  }
  auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  auto opened = co_await parts->engines.of(instance->plan.engine).logs(*handle, options);
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  Response response = Response::text(200, "");
  std::shared_ptr<engine::ByteStream> stream = std::move(*opened);
  response.stream = [stream, in_use = *in_use, followed](std::shared_ptr<http::BodyWriter> to) {
    return copy_logs(stream, std::move(to), in_use, followed);
  };
  co_return response;
}

struct Command {
  std::string machine;
  std::vector<std::string> words;
};

Result<Command> parse_command(const std::string& bytes) {
  http::Body body(bytes);
  Command command;
  command.words = body.texts("command", 1, 256, kLongestWord);
  command.machine = body.maybe_text("machine", 0, 100).value_or("");
  if (auto read = body.done(); !read) return fail(std::move(read.error()));
  return command;
}

/// What a command has said, and how it ended. Filled in by one coroutine, read by the other once that has ended.
struct Output {
  std::string standard, error;
  int exit_code = -1;
  std::string stopped_by;  ///< empty: it ended by itself

  std::size_t room() const { return kMostOutput - standard.size() - error.size(); }
};

/// Reads until the command ends or has said all that it may, and has it killed then.
asio::awaitable<Result<>> collect(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output) {
  while (true) {
    auto chunk = co_await session->read();
    if (!chunk && output->stopped_by.empty()) co_return fail(std::move(chunk.error()));
    if (!chunk || chunk->data.empty()) break;
    const bool over = chunk->data.size() > output->room();
    (chunk->error_stream ? output->error : output->standard).append(chunk->data, 0, output->room());
    if (!over) continue;
    output->stopped_by = "output-limit";
    auto stopped = co_await session->stop();
    if (!stopped) co_return fail(std::move(stopped.error()));
    break;
  }
  auto code = co_await session->exit_code();
  if (!code) co_return fail(std::move(code.error()));
  output->exit_code = *code;
  co_return Result<>{};
}

asio::awaitable<Result<>> cut_after(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output,
                                    std::shared_ptr<Signal> ended) {
  const bool in_time = co_await ended->wait_for(kLongestCommand);
  if (in_time) co_return Result<>{};
  output->stopped_by = "time-limit";
  auto stopped = co_await session->stop();
  // Otherwise the reader would wait for an end that does not come.
  if (!stopped) session->close();
  co_return Result<>{};
}

asio::awaitable<Result<>> collect_and_tell(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output,
                                           std::shared_ptr<Signal> ended) {
  auto done = co_await collect(session, output);
  ended->set();
  co_return done;
}

/// `text` as a JSON text, piece by piece: six times its size is never held.
asio::awaitable<bool> write_text(std::shared_ptr<http::BodyWriter> to, std::string name, std::string text) {
  auto written = co_await to->write(fmt::format("\"{}\":\"", name));
  for (std::size_t at = 0; written && at < text.size(); at += kAnswerPiece) {
    std::string quoted = json::serialize(json::string(std::string_view(text).substr(at, kAnswerPiece)));
    written = co_await to->write(quoted.substr(1, quoted.size() - 2));
  }
  if (written) written = co_await to->write("\",");
  co_return written.has_value();
}

/// The answer streams, although it is one object at the end: that is how it is noticed that its reader has gone.
asio::awaitable<void> answer_command(std::shared_ptr<Running> running, std::shared_ptr<http::BodyWriter> to) {
  auto output = std::make_shared<Output>();
  auto ended = std::make_shared<Signal>(co_await asio::this_coro::executor);
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(collect_and_tell(running->session, output, ended));
  works.push_back(cut_after(running->session, output, ended));
  auto results = co_await all_of(std::move(works));
  // What it has said until then is told all the same; the status has been sent.
  if (!results.front() && output->stopped_by.empty()) output->stopped_by = for_player(results.front().error()).reason;
  if (!co_await to->write("{")) co_return;
  if (!co_await write_text(to, "stdout", std::move(output->standard))) co_return;
  if (!co_await write_text(to, "stderr", std::move(output->error))) co_return;
  const json::object rest{{"exit_code", output->exit_code},
                          {"stopped_by", output->stopped_by.empty() ? json::value() : json::value(output->stopped_by)}};
  co_await to->write(json::serialize(rest).substr(1));
}

asio::awaitable<Result<Response>> exec(PartsRef parts, OpenRef open, Request request) {
  auto instance = co_await visible_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto command = parse_command(request.body);
  if (!command) co_return fail(std::move(command.error()));
  auto handle = machine_of(*instance, command->machine);
  if (!handle) co_return fail(std::move(handle.error()));
  auto taken = seat(open->commands, request, parts->options.commands_per_user, "too-many-commands", "commands",
                    "commands_per_user");
  if (!taken) co_return fail(std::move(taken.error()));
  const auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(in_use.error());
  engine::ExecSpec spec;
  spec.command = std::move(command->words);
  auto opened = co_await run_in(parts->engines.of(instance->plan.engine), *handle, std::move(spec));
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  auto running = std::make_shared<Running>(parts, std::move(*opened), std::move(*taken), *in_use);
  running->session->close_input();
  Response response = Response::json(200, "");
  response.stream = [running](std::shared_ptr<http::BodyWriter> to) { return answer_command(running, std::move(to)); };
  co_return response;
}

asio::awaitable<Result<>> to_machine(std::shared_ptr<http::WebSocket> socket,
                                     std::shared_ptr<engine::ExecSession> session) {
  while (true) {
    auto message = co_await socket->read();
    if (!message) break;
    if (message->binary) {
      auto written = co_await session->write(std::move(message->data));
      if (!written) break;
      continue;
    }
    // {"resize": [columns, rows]}; anything else is ignored, as a newer page may say more.
    boost::system::error_code error;
    const auto value = json::parse(message->data, error);
    const auto* size = !error && value.is_object() ? value.get_object().if_contains("resize") : nullptr;
    if (!size || !size->is_array() || size->get_array().size() != 2) continue;
    const auto& pair = size->get_array();
    if (!pair[0].is_int64() || !pair[1].is_int64()) continue;
    const int columns = static_cast<int>(std::clamp<std::int64_t>(pair[0].get_int64(), 1, 1000));
    const int rows = static_cast<int>(std::clamp<std::int64_t>(pair[1].get_int64(), 1, 1000));
    auto resized = co_await session->resize(columns, rows);
    if (!resized) break;
  }
  session->close();
  co_return Result<>{};
}

asio::awaitable<Result<>> from_machine(std::shared_ptr<http::WebSocket> socket,
                                       std::shared_ptr<engine::ExecSession> session) {
  std::string ending = "the connection was lost";
  while (true) {
    auto chunk = co_await session->read();
    if (!chunk) break;
    if (chunk->data.empty()) {
      auto code = co_await session->exit_code();
      ending = code ? fmt::format("exit code {}", *code) : "ended";
      break;
    }
    auto written = co_await socket->write({true, std::move(chunk->data)});
    if (!written) break;
  }
  co_await socket->close(1000, ending);
  co_return Result<>{};
}

asio::awaitable<void> run_terminal(std::shared_ptr<http::WebSocket> socket, std::shared_ptr<Running> running) {
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(to_machine(socket, running->session));
  works.push_back(from_machine(socket, running->session));
  co_await all_of(std::move(works));
}

asio::awaitable<Result<Response>> terminal(PartsRef parts, OpenRef open, Request request) {
  auto instance = co_await visible_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto handle = machine_of(*instance, request.query_value("machine"));
  if (!handle) co_return fail(std::move(handle.error()));
  engine::ExecSpec spec;
  spec.terminal = true;
  spec.columns = number(request.query_value("cols"), 80, 1, 1000);
  spec.rows = number(request.query_value("rows"), 24, 1, 1000);
  spec.environment = {"TERM=xterm-256color"};
  const auto command = request.query_value("command");
  // bash where there is one; every image that can run a terminal at all has a sh.
  spec.command = {"sh", "-c", command.empty() ? "command -v bash >/dev/null 2>&1 && exec bash || exec sh" : command};
  auto taken =
      seat(open->shells, request, parts->options.shells_per_user, "too-many-shells", "shells", "shells_per_user");
  if (!taken) co_return fail(std::move(taken.error()));
  auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  auto opened = co_await run_in(parts->engines.of(instance->plan.engine), *handle, std::move(spec));
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  auto running = std::make_shared<Running>(parts, std::move(*opened), std::move(*taken), *in_use);
  Response response = Response::empty(101);
  response.websocket = [running](std::shared_ptr<http::WebSocket> socket) {
    return run_terminal(std::move(socket), running);
  };
  co_return response;
}

}  // namespace

void add_machine_routes(house::Routes& routes, PartsRef parts) {
  auto open = std::make_shared<Open>();
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler) {
    routes.add(std::move(method), std::move(pattern), rights, std::move(limits),
               [parts, open, handler](Request request) { return handler(parts, open, std::move(request)); });
  };
  add("GET", "/api/v1/instances/{id}/logs", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"logs-read"}, logs);
  add("POST", "/api/v1/instances/{id}/exec", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"exec"}, exec);
  add("GET", "/api/v1/instances/{id}/terminal", {Access::kSignedIn, Scope::kInstances, Whose::kOwner},
      {"terminal-open"}, terminal);
}

}  // namespace tiltyard::labs
