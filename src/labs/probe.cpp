#include "labs/probe.h"

#include <fmt/format.h>

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>

#include "labs/machine_text.h"
#include "net/dial.h"

namespace tiltyard::labs {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// "HTTP/1.1 200": as much of a status line as is needed (RFC 9112 4); the name is as old servers write it, too.
constexpr std::string_view kName = "HTTP/";
constexpr std::size_t kStatusLine = 12;
/// How often a socket is asked whether somebody has refused what it sent.
constexpr std::chrono::milliseconds kLookAgain{20}, kAskAgain{300};
/// Of an answer that says why it is a bad request.
constexpr std::size_t kBadRequest = 2048;

/// The three best known servers say it in these words when they are asked without TLS.
bool wants_tls(std::string_view answer) {
  constexpr std::array<std::string_view, 4> kWords{"HTTPS port", "SSL-enabled server port", "HTTPS server",
                                                   "requires TLS"};
  return std::ranges::any_of(kWords, [&](std::string_view words) { return answer.contains(words); });
}

int status_in(std::string_view line) {
  const auto blank = line.find(' ');
  if (blank == line.npos) return 0;
  int status = 0;
  for (const char c : line.substr(blank + 1, 3)) {
    if (c < '0' || c > '9') return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

/// Whether more bytes could still change what is made of these.
bool enough(std::string_view bytes) {
  const auto known = bytes.substr(0, kName.size());
  if (known != kName.substr(0, known.size())) return true;
  if (bytes.size() < kStatusLine) return bytes.find('\n') != bytes.npos;
  return status_in(bytes) != 400 || wants_tls(bytes) || bytes.size() >= kBadRequest;
}

}  // namespace

Heard judge(std::string_view bytes, bool whole) {
  Heard heard;
  heard.first = bytes.substr(0, Heard::kFirstBytes);
  if (bytes.empty()) {
    heard.what = whole ? Heard::What::kClosed : Heard::What::kSilence;
  } else if (bytes.starts_with(kName)) {
    heard.status = status_in(bytes);
    heard.what = heard.status == 400 && wants_tls(bytes) ? Heard::What::kTls : Heard::What::kHttp;
  } else {
    // An alert, version 3.x (RFC 8446 5.1 and 6).
    const bool alert = bytes.size() > 2 && bytes[0] == 21 && bytes[1] == 3;
    heard.what = alert ? Heard::What::kTls : Heard::What::kOther;
  }
  return heard;
}

asio::awaitable<Heard> ask(Question question, std::chrono::milliseconds patience) {
  const auto until = SteadyClock::now() + patience;
  auto socket = co_await http::dial({{}, question.address, question.port}, until);
  if (!socket) co_return Heard{};
  const auto transport = std::make_shared<http::Transport>(std::move(*socket));
  const auto late = std::make_shared<bool>(false);
  asio::steady_timer timer(transport->executor(), until);
  timer.async_wait([transport, late](const boost::system::error_code& error) {
    if (error) return;
    *late = true;
    transport->close();
  });
  const auto request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: tiltyard-ready\r\nConnection: close\r\n\r\n",
                  question.path, question.host);
  // One that closes while it is asked may have said something before.
  co_await transport->write_all(request);
  std::string bytes;
  std::array<char, 512> part{};
  while (!enough(bytes)) {
    const auto [error, size] = co_await transport->read_some(asio::buffer(part));
    if (error) co_return judge(bytes, !*late);
    bytes.append(part.data(), size);
  }
  co_return judge(bytes, true);
}

asio::awaitable<bool> takes_connections(std::string address, std::uint16_t port, std::chrono::milliseconds patience) {
  const auto socket = co_await http::dial({{}, std::move(address), port}, SteadyClock::now() + patience);
  co_return socket.has_value();
}

asio::awaitable<bool> takes_datagrams(std::string address, std::uint16_t port, std::chrono::milliseconds patience) {
  using asio::ip::udp;
  const auto executor = co_await asio::this_coro::executor;
  boost::system::error_code failed;
  const auto where = asio::ip::make_address(address, failed);
  if (failed) co_return false;
  udp::socket socket(executor);
  const udp::endpoint to(where, port);
  socket.open(to.protocol(), failed);
  if (!failed) socket.connect(to, failed);
  if (!failed) socket.non_blocking(true, failed);
  if (failed) co_return false;
  asio::steady_timer pause(executor);
  auto ask = SteadyClock::now();
  for (const auto end = ask + patience; SteadyClock::now() < end;) {
    if (SteadyClock::now() >= ask) {
      ask += kAskAgain;
      socket.send(asio::const_buffer(), 0, failed);
      if (failed) co_return false;
    }
    pause.expires_after(kLookAgain);
    co_await pause.async_wait(asio::use_awaitable);
    std::array<char, 1> byte;
    socket.receive(asio::buffer(byte), 0, failed);
    if (failed != asio::error::would_block) co_return !failed;
  }
  co_return true;
}

std::string words_of(const Heard& heard) {
  switch (heard.what) {
    case Heard::What::kRefused:
      return "nobody took the connection";
    case Heard::What::kSilence:
      return "it took the connection and said nothing";
    case Heard::What::kClosed:
      return "it took the connection and closed it without a word";
    case Heard::What::kHttp:
      return heard.status == 0 ? "it answered without a status" : fmt::format("it answered {}", heard.status);
    case Heard::What::kOther:
      return fmt::format("it said \"{}\", which is no HTTP", plain_line(heard.first, Heard::kFirstBytes));
    case Heard::What::kTls:
      return "it wants TLS";
  }
  return {};
}

}  // namespace tiltyard::labs
