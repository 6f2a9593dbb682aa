// exec: our standard streams, or our terminal, are those of a command in a machine, over a WebSocket (docs/exec.md).
#include "labs/exec_line.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>

#include "cli/context.h"
#include "net/client.h"

namespace tiltyard::labs {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr char kLeave = 0x1d;                // Ctrl-]
constexpr std::size_t kWindow = 256 * 1024;  // bytes each way that nobody has taken yet
constexpr std::size_t kPiece = 32 * 1024;    // bytes of input that are sent at a time
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// The terminal hands us every key as it is, until the end of this object.
class RawMode {
 public:
  explicit RawMode(bool wanted) {
    if (!wanted || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    on_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawMode() {
    if (on_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

 private:
  termios before_{};
  bool on_ = false;
};

/// Reads standard input on a thread of its own, since it may be a file, which no loop can wait for, or shared with
/// others, for whom it must go on blocking. Reads no more than there is room for.
class Input {
 public:
  using Got = std::function<void(std::string)>;  ///< an empty text: nothing more comes

  Input(asio::any_io_executor loop, Got got) : loop_(std::move(loop)), got_(std::move(got)) {
    // In the background of a shell it has nothing to read, and is not stopped for having tried.
    std::signal(SIGTTIN, SIG_IGN);
    thread_ = std::thread([this] { read(); });
  }
  ~Input() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    ::eventfd_write(wake_, 1);
    thread_.join();
    ::close(wake_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  void make_room(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      room_ += bytes;
    }
    changed_.notify_one();
  }

 private:
  void read() {
    std::string buffer(kPiece, '\0');
    while (true) {
      std::size_t room = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return room_ > 0 || over_; });
        if (over_) return;
        room = std::min(room_, kPiece);
      }
      std::array<pollfd, 2> waits{{{STDIN_FILENO, POLLIN, 0}, {wake_, POLLIN, 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
      if (waits[1].revents != 0) return;
      if (waits[0].revents == 0) continue;
      const auto count = ::read(STDIN_FILENO, buffer.data(), room);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      asio::post(loop_, [got = got_, piece = buffer.substr(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)))] {
        got(piece);
      });
      if (count <= 0) return;
      const std::lock_guard lock(mutex_);
      room_ -= static_cast<std::size_t>(count);
    }
  }

  asio::any_io_executor loop_;
  Got got_;
  int wake_ = ::eventfd(0, EFD_CLOEXEC);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t room_ = kWindow;
  bool over_ = false;
  std::thread thread_;
};

/// Writes on a thread of its own, so that a slow reader of ours holds up the command, and not our answers to pings.
class Printer {
 public:
  explicit Printer(std::function<void(std::size_t)> written) : written_(std::move(written)) {
    thread_ = std::thread([this] { write(); });
  }
  /// All is written first.
  ~Printer() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;

  /// `counts`: bytes that there is room for again once this is written.
  void add(int file, std::string text, std::size_t counts) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({file, std::move(text), counts});
    }
    changed_.notify_one();
  }

 private:
  struct Piece {
    int file;
    std::string text;
    std::size_t counts;
  };

  void write() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !waiting_.empty() || over_; });
      if (waiting_.empty()) return;
      const Piece piece = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      write_out(piece.file, piece.text);
      if (piece.counts > 0) written_(piece.counts);
    }
  }

  std::function<void(std::size_t)> written_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> waiting_;
  bool over_ = false;
  std::thread thread_;
};

/// What all of it shares, on the loop. Messages are written one at a time: whoever wants to write while another does
/// leaves it here.
struct Line {
  Line(std::shared_ptr<http::WebSocket> its_socket, const asio::any_io_executor& its_loop)
      : socket(std::move(its_socket)), loop(its_loop), resized(its_loop) {}

  std::shared_ptr<http::WebSocket> socket;
  asio::any_io_executor loop;
  asio::signal_set resized;
  std::deque<http::WebSocket::Message> waiting;
  bool writing = false;
  bool over = false;  ///< nothing more is said
  ExecEnd end;
  Tamed output, errors;
};
using LinePtr = std::shared_ptr<Line>;

asio::awaitable<void> write_waiting(LinePtr line) {
  line->writing = true;
  while (!line->waiting.empty()) {
    auto next = std::move(line->waiting.front());
    line->waiting.pop_front();
    auto written = co_await line->socket->write(std::move(next));
    if (!written) line->over = true;  // why, is told by whoever reads
    if (line->over) line->waiting.clear();
  }
  line->writing = false;
}

void say(const LinePtr& line, bool binary, std::string data) {
  if (line->over) return;
  line->waiting.push_back({binary, std::move(data)});
  if (line->writing) return;
  line->writing = true;
  asio::co_spawn(line->loop, write_waiting(line), [](const std::exception_ptr&) {});
}

asio::awaitable<void> leave(LinePtr line) {
  line->end.left = true;
  line->over = true;
  co_await line->socket->close(1000, "left");
}

void take_input(const LinePtr& line, bool terminal, std::string piece) {
  if (piece.empty()) return say(line, false, R"({"end":true})");
  if (terminal && piece.find(kLeave) != std::string::npos) {
    asio::co_spawn(line->loop, leave(line), [](const std::exception_ptr&) {});
    return;
  }
  say(line, true, std::move(piece));
}

asio::awaitable<void> send_sizes(LinePtr line) {
  while (true) {
    const auto [error, signal] = co_await line->resized.async_wait(kTuple);
    if (error) co_return;
    const auto [columns, rows] = columns_and_rows_here();
    say(line, false, fmt::format(R"({{"resize":[{},{}]}})", columns, rows));
  }
}

/// What the command says: for the printer, or for the caller.
void take_output(const LinePtr& line, const ExecCall& call, Printer& printer, std::string_view data) {
  if (data.empty()) return;
  const bool errors = data[0] == '\2';
  data.remove_prefix(1);
  if (call.keep) {
    (errors ? line->end.errors : line->end.output) += data;
    return say(line, false, fmt::format(R"({{"taken":{}}})", data.size()));
  }
  const bool tame = errors ? call.tame_errors : call.tame_output;
  auto text = tame ? (errors ? line->errors : line->output).take(data) : std::string(data);
  printer.add(errors ? STDERR_FILENO : STDOUT_FILENO, std::move(text), data.size());
}

/// A text of the server's; whether it was the last one.
Result<bool> take_text(const LinePtr& line, Input* input, const std::string& text) {
  boost::system::error_code broken;
  const auto value = json::parse(text, broken);
  if (const auto& error = member(value, "error"); error.is_object())
    return fail(error_from(static_cast<int>(number_of(error, "status")), json::serialize(error)));
  if (const auto taken = number_of(value, "taken"); taken > 0 && input != nullptr)
    input->make_room(static_cast<std::size_t>(taken));
  if (!member(value, "exit_code").is_int64()) return false;
  line->end.exit_code = static_cast<int>(number_of(value, "exit_code"));
  line->end.stopped_by = text_of(value, "stopped_by");
  return true;
}

Error cut_off(const Error& cause) {
  return {Code::kUnavailable,
          kCommandLost,
          "The connection was lost before the command ended. What it said after that is missing here, and the server "
          "ends it in its machine.",
          cause.cause,
          {}};
}

/// Until the command's end, or ours.
asio::awaitable<Result<>> listen(LinePtr line, const ExecCall* call, Printer* printer, Input* input) {
  while (true) {
    auto message = co_await line->socket->read();
    if (!message && line->end.left) co_return Result<>{};
    if (!message) co_return fail(cut_off(message.error()));
    if (message->binary) {
      take_output(line, *call, *printer, message->data);
      continue;
    }
    auto last = take_text(line, input, message->data);
    if (!last) co_return fail(std::move(last.error()));
    if (*last) co_return Result<>{};
  }
}

asio::awaitable<Result<>> talk(std::shared_ptr<http::WebSocket> socket, const ExecCall* call, ExecEnd* end) {
  const auto loop = co_await asio::this_coro::executor;
  auto line = std::make_shared<Line>(std::move(socket), loop);
  say(line, false, json::serialize(call->first));
  const RawMode raw(call->terminal);
  Result<> out;
  {
    Printer printer([line, loop](std::size_t bytes) {
      asio::post(loop, [line, bytes] { say(line, false, fmt::format(R"({{"taken":{}}})", bytes)); });
    });
    std::optional<Input> input;
    if (call->input) {
      input.emplace(
          loop, [line, terminal = call->terminal](std::string piece) { take_input(line, terminal, std::move(piece)); });
    }
    if (call->terminal) {
      line->resized.add(SIGWINCH);
      asio::co_spawn(loop, send_sizes(line), [](const std::exception_ptr&) {});
    }
    out = co_await listen(line, call, &printer, input ? &*input : nullptr);
    printer.add(STDOUT_FILENO, line->output.rest(), 0);
    printer.add(STDERR_FILENO, line->errors.rest(), 0);
  }
  line->over = true;
  line->resized.cancel();
  if (!line->end.left) co_await line->socket->close(1000, "");
  *end = std::move(line->end);
  co_return out;
}

}  // namespace

std::pair<int, int> columns_and_rows_here() {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

Result<ExecEnd> run_command(Context& context, ExecCall call) {
  ExecEnd end;
  const auto done = context.api().websocket(
      call.path, [&](std::shared_ptr<http::WebSocket> socket) { return talk(std::move(socket), &call, &end); });
  if (!done) return fail(done.error());
  return end;
}

}  // namespace tiltyard::labs
