#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/http.h"

namespace tiltyard::net {
class Reach;
}

namespace tiltyard::http {

/// Why a call failed, as far as its callers decide by it.
namespace reason {
inline constexpr char kConnectFailed[] = "connect-failed";    ///< nobody answers; nothing was sent
inline constexpr char kTimeout[] = "timeout";                 ///< no answer in the time that there was
inline constexpr char kConnectionLost[] = "connection-lost";  ///< cut in the middle of the call
inline constexpr char kBadAnswer[] = "bad-answer";            ///< what came is no HTTP
inline constexpr char kUpgradeRefused[] = "upgrade-refused";  ///< it stays HTTP; the cause is the answer's body
inline constexpr char kClosed[] = "closed";                   ///< the other side has closed its WebSocket
}  // namespace reason

/// Where a client connects: a Unix socket, TCP, or TLS over TCP (with optional client certificate).
struct Target {
  std::string unix_path;  ///< set: everything else but `host_header` is ignored
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;
  std::string ca_file, certificate_file, key_file;

  /// Reads unix:///path, tcp://host:port, http://host:port, https://host:port; `invalid-address` otherwise.
  static Result<Target> parse(std::string_view url);
};

struct ClientOptions {
  std::size_t max_idle = 16;                   ///< kept-open connections
  std::chrono::milliseconds idle_for{30'000};  ///< an idle connection older than this is not reused
  std::chrono::milliseconds connect_timeout{3'000};
  std::size_t body_limit = 64 * 1024 * 1024;  ///< bytes that `send` reads at most; over it `too-large`
  const net::Reach* reach =
      nullptr;  ///< set: the client connects to what it allows only (`target-refused`); outlives it
};

/// The body of a streaming answer, already freed from chunking.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  virtual const Response& head() const = 0;
  /// Some bytes, at most 64 KiB; an empty text at the end. Errors: `connection-lost`, `timeout`.
  virtual asio::awaitable<Result<std::string>> read(std::chrono::milliseconds deadline) = 0;
};

/// Both directions of a connection after `101 Switching Protocols` (or the Engine's 200 that means the same).
class RawStream {
 public:
  virtual ~RawStream() = default;
  /// Some bytes; an empty text once the peer has closed its side. No deadline: a terminal may be silent for hours.
  virtual asio::awaitable<Result<std::string>> read() = 0;
  virtual asio::awaitable<Result<>> write(std::string bytes) = 0;
  /// Closes our direction, so that the peer sees the end of its input.
  virtual void shutdown_write() = 0;
  /// Cuts the connection; a pending read completes with an error.
  virtual void close() = 0;
};

/// Gives the next piece of a request body; an empty text ends it. Sent with chunked coding.
using BodySource = std::function<asio::awaitable<Result<std::string>>()>;

/// HTTP/1.1 over kept-open connections. Belongs to the executor that its calls run on (one loop). A request on a reused
/// connection that the peer had closed meanwhile is sent again on a fresh one if nothing of an answer had arrived and
/// the method is idempotent (GET, HEAD, PUT, DELETE).
/// Errors: `connect-failed` (nobody listens: nothing was sent), `connection-lost` (cut in mid-call: the outcome is
/// unknown), `timeout`, `too-large`, `bad-answer`.
class Client {
 public:
  Client(Target target, ClientOptions options = {});
  ~Client();

  asio::awaitable<Result<Response>> send(Request request, std::chrono::milliseconds deadline);
  asio::awaitable<Result<Response>> upload(Request request, BodySource body, std::chrono::milliseconds deadline);
  /// The answer's head; the body is read piece by piece. `body` may be empty (then `request.body` is sent).
  asio::awaitable<Result<std::unique_ptr<BodyReader>>> open(Request request, BodySource body,
                                                            std::chrono::milliseconds head_deadline);
  /// Sends the request with its Upgrade fields; on 101 (or 200 without a body length) hands over the connection.
  /// Any other status is `upgrade-refused` with the body as cause.
  asio::awaitable<Result<std::unique_ptr<RawStream>>> upgrade(Request request, std::chrono::milliseconds deadline);
  /// Opens a WebSocket at `request.target`.
  asio::awaitable<Result<std::unique_ptr<WebSocket>>> websocket(Request request, std::chrono::milliseconds deadline);
  void close_idle();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::http
