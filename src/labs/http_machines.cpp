// Into the machines of an instance: logs, commands, a terminal.
#include <fmt/format.h>

#include <boost/json.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <charconv>

#include "base/parallel.h"
#include "labs/http.h"
#include "net/body.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr std::size_t kExecOutputLimit = 1024 * 1024;  // bytes of each stream
constexpr std::chrono::seconds kExecDeadline{120};
constexpr std::size_t kLongestWord = 64 * 1024;  // bytes of one of a command

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

asio::awaitable<void> copy_logs(std::shared_ptr<engine::ByteStream> from, std::shared_ptr<http::BodyWriter> to,
                                [[maybe_unused]] std::shared_ptr<void> in_use) {
  while (true) {
    auto piece = co_await from->read();
    if (!piece || piece->empty()) break;
    auto written = co_await to->write(std::move(*piece));
    if (!written) break;
  }
  from->close();
}

asio::awaitable<Result<Response>> logs(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto handle = machine_of(*instance, request.query_value("machine"));
  if (!handle) co_return fail(std::move(handle.error()));
  engine::LogOptions options;
  options.tail = number(request.query_value("tail"), 200, 0, 10'000);
  options.follow = request.query_value("follow") == "1";
  auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  auto opened = co_await parts->engines.of(instance->plan.engine).logs(*handle, options);
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  Response response = Response::text(200, "");
  std::shared_ptr<engine::ByteStream> stream = std::move(*opened);
  response.stream = [stream, in_use = *in_use](std::shared_ptr<http::BodyWriter> to) {
    return copy_logs(stream, std::move(to), in_use);
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

/// What a command has said so far; grows in one coroutine, read by the other after it has ended.
struct Output {
  std::string standard, error;
  int exit_code = 0;
};

asio::awaitable<Result<>> collect(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output) {
  while (true) {
    auto chunk = co_await session->read();
    if (!chunk) co_return fail(std::move(chunk.error()));
    if (chunk->data.empty()) break;
    auto& text = chunk->error_stream ? output->error : output->standard;
    // Beyond the limit we keep reading, so that the command can end, but keep nothing.
    text.append(chunk->data, 0, kExecOutputLimit - std::min(kExecOutputLimit, text.size()));
  }
  auto code = co_await session->exit_code();
  if (!code) co_return fail(std::move(code.error()));
  output->exit_code = *code;
  co_return Result<>{};
}

asio::awaitable<Result<>> cut_after(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Signal> ended) {
  const bool in_time = co_await ended->wait_for(kExecDeadline);
  if (!in_time) session->close();
  co_return Result<>{};
}

asio::awaitable<Result<>> collect_and_tell(std::shared_ptr<engine::ExecSession> session, std::shared_ptr<Output> output,
                                           std::shared_ptr<Signal> ended) {
  auto done = co_await collect(session, output);
  ended->set();
  co_return done;
}

asio::awaitable<Result<Response>> exec(PartsRef parts, Request request) {
  auto instance = co_await visible_instance(parts, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto command = parse_command(request.body);
  if (!command) co_return fail(std::move(command.error()));
  auto handle = machine_of(*instance, command->machine);
  if (!handle) co_return fail(std::move(handle.error()));
  const auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(in_use.error());
  engine::ExecSpec spec;
  spec.command = std::move(command->words);
  auto opened = co_await run_in(parts->engines.of(instance->plan.engine), *handle, std::move(spec));
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  std::shared_ptr<engine::ExecSession> session = std::move(*opened);
  session->close_input();
  auto output = std::make_shared<Output>();
  auto ended = std::make_shared<Signal>(co_await asio::this_coro::executor);
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(collect_and_tell(session, output, ended));
  works.push_back(cut_after(session, ended));
  auto results = co_await all_of(std::move(works));
  if (!results.front()) co_return fail(for_player(std::move(results.front().error())));
  const json::object answer{{"exit_code", output->exit_code}, {"stdout", output->standard}, {"stderr", output->error}};
  co_return Response::json(200, json::serialize(answer));
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

asio::awaitable<void> run_terminal(std::shared_ptr<http::WebSocket> socket,
                                   std::shared_ptr<engine::ExecSession> session,
                                   [[maybe_unused]] std::shared_ptr<void> in_use) {
  std::vector<asio::awaitable<Result<>>> works;
  works.push_back(to_machine(socket, session));
  works.push_back(from_machine(socket, session));
  co_await all_of(std::move(works));
}

asio::awaitable<Result<Response>> terminal(PartsRef parts, Request request) {
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
  auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  auto opened = co_await run_in(parts->engines.of(instance->plan.engine), *handle, std::move(spec));
  if (!opened) co_return fail(for_player(std::move(opened.error())));
  std::shared_ptr<engine::ExecSession> session = std::move(*opened);
  Response response = Response::empty(101);
  response.websocket = [session, in_use = *in_use](std::shared_ptr<http::WebSocket> socket) {
    return run_terminal(std::move(socket), session, in_use);
  };
  co_return response;
}

}  // namespace

void add_machine_routes(house::Routes& routes, PartsRef parts) {
  const auto add = [&](std::string method, std::string pattern, house::Rights rights, house::Limits limits,
                       auto handler) {
    routes.add(std::move(method), std::move(pattern), rights, std::move(limits),
               [parts, handler](Request request) { return handler(parts, std::move(request)); });
  };
  add("GET", "/api/v1/instances/{id}/logs", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"logs-read"}, logs);
  add("POST", "/api/v1/instances/{id}/exec", {Access::kSignedIn, Scope::kInstances, Whose::kOwner}, {"exec"}, exec);
  add("GET", "/api/v1/instances/{id}/terminal", {Access::kSignedIn, Scope::kInstances, Whose::kOwner},
      {"terminal-open"}, terminal);
}

}  // namespace tiltyard::labs
