// exec -t: the machine's terminal in ours, over the WebSocket. Ctrl-] leaves.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <csignal>

#include "cli/context.h"
#include "labs/terminal.h"
#include "net/client.h"

namespace tiltyard::labs {
namespace {

using namespace cli;
constexpr char kLeave = 0x1d;  // Ctrl-]
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// The terminal hands us every key as it is, until the end of this object.
class RawMode {
 public:
  RawMode() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
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

std::pair<int, int> columns_and_rows() {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {80, 24};
  return {size.ws_col, size.ws_row};
}

/// Quoted for a POSIX shell.
std::string in_quotes(std::string_view word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// What both directions share. Writes are one at a time: whoever wants to write while another does leaves it here.
struct Line {
  std::shared_ptr<http::WebSocket> socket;
  asio::posix::stream_descriptor keys;
  asio::signal_set resized;
  std::vector<http::WebSocket::Message> waiting;
  bool writing = false;
  bool leaving = false;  ///< we have closed: how the connection ends after that is no failure

  Line(const asio::any_io_executor& executor, int file) : keys(executor, file), resized(executor, SIGWINCH) {}
};
using LinePtr = std::shared_ptr<Line>;

asio::awaitable<Result<>> say(LinePtr line, bool binary, std::string data) {
  http::WebSocket::Message message;
  message.binary = binary;
  message.data = std::move(data);
  line->waiting.push_back(std::move(message));
  if (line->writing) co_return Result<>{};
  line->writing = true;
  Result<> out;
  while (out && !line->waiting.empty()) {
    auto next = std::move(line->waiting.front());
    line->waiting.erase(line->waiting.begin());
    out = co_await line->socket->write(std::move(next));
  }
  line->writing = false;
  co_return out;
}

asio::awaitable<void> send_keys(LinePtr line) {
  std::array<char, 4096> buffer{};
  while (true) {
    const auto [error, count] = co_await line->keys.async_read_some(asio::buffer(buffer), kTuple);
    if (error) co_return;
    std::string typed(buffer.data(), count);
    const auto leave = typed.find(kLeave);
    if (leave != std::string::npos) {
      line->leaving = true;
      co_await line->socket->close(1000, "left");
      co_return;
    }
    const auto sent = co_await say(line, true, std::move(typed));
    if (!sent) co_return;
  }
}

asio::awaitable<void> send_sizes(LinePtr line) {
  while (true) {
    const auto [error, signal] = co_await line->resized.async_wait(kTuple);
    if (error) co_return;
    const auto [columns, rows] = columns_and_rows();
    auto text = fmt::format(R"({{"resize":[{},{}]}})", columns, rows);
    const auto sent = co_await say(line, false, std::move(text));
    if (!sent) co_return;
  }
}

/// Shows what the machine writes until its side closes; then the other two end as well.
asio::awaitable<Result<>> talk(std::shared_ptr<http::WebSocket> socket, int file, std::string first) {
  const auto executor = co_await asio::this_coro::executor;
  auto line = std::make_shared<Line>(executor, file);
  line->socket = socket;
  const RawMode raw;
  // Both end with this coroutine: it closes what they wait for, and the loop runs until they have.
  asio::co_spawn(executor, send_keys(line), [](const std::exception_ptr&) {});
  asio::co_spawn(executor, send_sizes(line), [](const std::exception_ptr&) {});
  if (!first.empty()) co_await say(line, true, std::move(first));
  Result<> out;
  while (true) {
    auto message = co_await socket->read();
    if (!message) {
      if (message.error().reason != http::reason::kClosed && !line->leaving) out = fail(std::move(message.error()));
      break;
    }
    print(message->data);
  }
  line->keys.close();
  line->resized.cancel();
  co_return out;
}

}  // namespace

int open_terminal(Context& context, const ExecOptions& options) {
  // A description of its own: what the loop does to it does not touch the shell that started us.
  const int file = ::open("/dev/tty", O_RDONLY | O_CLOEXEC);
  if (file < 0 || ::isatty(STDIN_FILENO) != 1) {
    if (file >= 0) ::close(file);
    note("tiltyard: exec -t needs a terminal; without one: tiltyard exec ID -- CMD…");
    return kUsage;
  }
  const auto [columns, rows] = columns_and_rows();
  auto path = fmt::format("/instances/{}/terminal?cols={}&rows={}", encoded(options.id), columns, rows);
  if (!options.machine.empty()) path += "&machine=" + encoded(options.machine);
  std::string first;
  for (const auto& word : options.command) first += (first.empty() ? "exec " : " ") + in_quotes(word);
  if (!first.empty()) first += "\r";
  const auto done = context.api().websocket(
      path, [file, first](std::shared_ptr<http::WebSocket> socket) { return talk(std::move(socket), file, first); });
  if (!done) return complain(context, done.error());
  return kOk;
}

}  // namespace tiltyard::labs
