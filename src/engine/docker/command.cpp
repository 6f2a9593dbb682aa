#include "engine/docker/command.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "base/id.h"
#include "base/parallel.h"
#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/frames.h"
#include "engine/reasons.h"

namespace tiltyard::engine::docker {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr auto kAskDeadline = 15s, kStartDeadline = 60s;
constexpr auto kDies = 5s;  ///< how long a killed command may take to be gone: the daemon waits 2 s for unread output
/// By this its machine finds a command that must end, and whatever it has started.
constexpr std::string_view kMark = "TILTYARD_COMMAND=";

json::array strings(const std::vector<std::string>& values) { return json::array(values.begin(), values.end()); }

std::string exec_body(const ExecSpec& spec, const std::string& mark) {
  json::array environment = strings(spec.environment);
  environment.emplace_back(mark);
  json::object body{{"AttachStdin", true},  {"AttachStdout", true},         {"AttachStderr", true},
                    {"Tty", spec.terminal}, {"Cmd", strings(spec.command)}, {"Env", std::move(environment)}};
  if (!spec.user.empty()) body["User"] = spec.user;
  if (!spec.working_dir.empty()) body["WorkingDir"] = spec.working_dir;
  return json::serialize(body);
}

/// Kills a process of this host, and its group: a command in a container leads a session of its own. Only if it is one
/// of that container: an engine elsewhere, or in another namespace, counts processes of its own. True: it was sent.
bool kill_on_host(int pid, const std::string& container_id) {
  if (pid <= 1 || container_id.size() < 32) return false;
  // Held before the look, so that what was looked at is what is killed.
  const int held = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (held < 0) return false;
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  const std::string groups{std::istreambuf_iterator<char>(file), {}};
  bool sent = false;
  if (groups.contains(container_id)) {
    sent = ::kill(-pid, SIGKILL) == 0;
    sent = ::syscall(SYS_pidfd_send_signal, held, SIGKILL, nullptr, 0) == 0 || sent;
  }
  ::close(held);
  return sent;
}

/// A command in a machine: the hijacked connection of /exec/{id}/start, and the calls beside it.
class DockerExec final : public ExecSession {
 public:
  DockerExec(std::shared_ptr<Connection> connection, std::unique_ptr<http::RawStream> stream, std::string id,
             std::string mark, const ExecSpec& spec, bool signals_from_host)
      : connection_(std::move(connection)),
        stream_(std::move(stream)),
        id_(std::move(id)),
        mark_(std::move(mark)),
        user_(spec.user),
        terminal_(spec.terminal),
        signals_from_host_(signals_from_host) {}

  asio::awaitable<Result<Chunk>> read() override {
    while (true) {
      if (auto piece = frames_.next()) co_return Chunk{piece->error_stream, std::move(piece->data)};
      auto bytes = co_await stream_->read();
      if (!bytes) co_return fail(std::move(bytes.error()));
      if (bytes->empty()) co_return Chunk{};
      if (terminal_) co_return Chunk{false, std::move(*bytes)};
      frames_.take(std::move(*bytes));
    }
  }

  asio::awaitable<Result<>> write(std::string bytes) override { co_return co_await stream_->write(std::move(bytes)); }
  void close_input() override { stream_->shutdown_write(); }
  void close() override { stream_->close(); }

  asio::awaitable<Result<>> resize(int columns, int rows) override {
    const std::string path =
        with_query("/exec/" + id_ + "/resize", {{"h", std::to_string(rows)}, {"w", std::to_string(columns)}});
    // The engine answers the start before the command's terminal exists; the first resize may come too early.
    for (int attempt = 0;; ++attempt) {
      auto answer = co_await connection_->call("POST", path, {}, kAskDeadline);
      if (!answer) co_return fail(std::move(answer.error()));
      if (answer->status == 200 || answer->status == 201) co_return Result<>{};
      if (attempt == 20) co_return fail(refusal(About::kMachine, *answer));
      co_await sleep_for(25ms);
    }
  }

  asio::awaitable<Result<int>> exit_code() override {
    // The output ends a moment before the engine has noted how the command ended; a busy one takes its time.
    for (const auto until = std::chrono::steady_clock::now() + kDies; std::chrono::steady_clock::now() < until;) {
      auto now = co_await look();
      if (!now) co_return fail(std::move(now.error()));
      if (!now->found) co_return fail(Code::kNotFound, reason::kMachineMissing, "The machine is gone.");
      // The daemon takes a stream that was cut for the end as well, and the later of both is what it remembers.
      if (now->exit_code) co_return killed_ ? 128 + SIGKILL : *now->exit_code;
      co_await sleep_for(10ms);
    }
    co_return fail(Code::kTimeout, "timeout", "The command still runs.");
  }

  asio::awaitable<Result<>> stop() override {
    const auto until = std::chrono::steady_clock::now() + kDies;
    bool asked_machine = false;
    while (true) {
      auto now = co_await look();
      if (!now) co_return fail(std::move(now.error()));
      if (!now->found || now->exit_code) co_return Result<>{};
      if (signals_from_host_ && kill_on_host(now->pid, now->container)) {
        // Nobody can refuse this one; and the daemon notes the end of a command whose output nobody reads only late.
        killed_ = true;
        stream_->close();
      } else if (now->pid != 0 && !asked_machine) {
        asked_machine = true;
        co_await kill_inside(now->container);
      }
      if (std::chrono::steady_clock::now() > until) break;
      co_await sleep_for(20ms);
    }
    co_return fail(Code::kTimeout, "command-runs", "The command could not be ended.");
  }

 private:
  struct Look {
    bool found = false;
    /// None: it runs, or the engine, which answers the start before it starts anything, has not begun it yet.
    std::optional<int> exit_code;
    int pid = 0;  ///< as the engine's host counts; 0 until it has begun
    std::string container;
  };

  asio::awaitable<Result<Look>> look() {
    Look out;
    auto answer = co_await connection_->call("GET", "/exec/" + id_ + "/json", {}, kAskDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 404) co_return out;  // it has ended with its machine
    if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
    auto found = parse_json(answer->body);
    if (!found) co_return fail(std::move(found.error()));
    out.found = true;
    if (!flag_of(*found, "Running") && !member(*found, "ExitCode").is_null())
      out.exit_code = static_cast<int>(number_of(*found, "ExitCode"));
    out.pid = static_cast<int>(number_of(*found, "Pid"));
    out.container = text_of(*found, "ContainerID");
    co_return out;
  }

  /// By a command of the machine, as the same user: for those who may not signal the engine's processes, or are
  /// elsewhere. A machine without `sh`, `grep` and `kill`, or whose owner has put something else there, does not obey.
  asio::awaitable<void> kill_inside(std::string container) {
    const std::string script =
        "for p in /proc/[0-9]*; do grep -q '" + mark_ + "' $p/environ 2>/dev/null && kill -9 ${p#/proc/}; done";
    json::object body{{"Cmd", json::array{"sh", "-c", script}}};
    if (!user_.empty()) body["User"] = user_;
    auto made =
        co_await connection_->call("POST", "/containers/" + container + "/exec", json::serialize(body), kAskDeadline);
    if (!made || made->status != 201) co_return;
    auto answer = parse_json(made->body);
    if (!answer) co_return;
    // Detached: nobody reads what it says, and nobody waits for it but `stop`.
    co_await connection_->call("POST", "/exec/" + text_of(*answer, "Id") + "/start", R"({"Detach":true})",
                               kStartDeadline);
  }

  std::shared_ptr<Connection> connection_;
  std::unique_ptr<http::RawStream> stream_;
  std::string id_, mark_, user_;
  Frames frames_;
  bool terminal_, signals_from_host_, killed_ = false;
};

}  // namespace

asio::awaitable<Result<std::unique_ptr<ExecSession>>> run_command(std::shared_ptr<Connection> connection, Handle handle,
                                                                  ExecSpec spec, bool signals_from_host) {
  const std::string mark = std::string(kMark) + random_hex(12);
  auto made = co_await connection->call("POST", "/containers/" + http::percent_encode(handle.data) + "/exec",
                                        exec_body(spec, mark), kAskDeadline);
  if (!made) co_return fail(std::move(made.error()));
  if (made->status != 201) co_return fail(refusal(About::kMachine, *made));
  auto answer = parse_json(made->body);
  if (!answer) co_return fail(std::move(answer.error()));
  const std::string id = text_of(*answer, "Id");
  const json::object start{{"Detach", false}, {"Tty", spec.terminal}};
  auto stream = co_await connection->upgrade("/exec/" + id + "/start", json::serialize(start), kStartDeadline);
  if (!stream) co_return fail(std::move(stream.error()));
  auto session = std::make_unique<DockerExec>(connection, std::move(*stream), id, mark, spec, signals_from_host);
  if (spec.terminal) {
    // A command that has ended before its terminal got its size needs none.
    auto resized = co_await session->resize(spec.columns, spec.rows);
    if (!resized && resized.error().reason == reason::kAway) co_return fail(std::move(resized.error()));
  }
  co_return std::move(session);
}

}  // namespace tiltyard::engine::docker
