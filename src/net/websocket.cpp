#include "net/websocket.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/websocket.hpp>

#include <array>

#include "base/run_on.h"
#include "net/client.h"
#include "net/frame_socket.h"
#include "net/text.h"

namespace tiltyard::http {
namespace {

namespace beast = boost::beast;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// The transport as Beast wants to see a stream: reads fill one buffer at a time, writes take two (a frame's head and
/// data).
class Stream {
 public:
  using executor_type = asio::any_io_executor;

  explicit Stream(std::shared_ptr<Transport> transport)
      : executor_(transport->executor()), transport_(std::move(transport)) {}

  executor_type get_executor() const noexcept { return executor_; }
  Transport& transport() { return *transport_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [self = transport_](auto handler, asio::mutable_buffer into) {
          auto executor = self->executor();
          self->start_read(into, erase(std::move(handler), executor));
        },
        token, first<asio::mutable_buffer, 1>(buffers)[0]);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(error_code, std::size_t)>(
        [self = transport_](auto handler, std::array<asio::const_buffer, 2> from) {
          auto executor = self->executor();
          self->start_write(from, erase(std::move(handler), executor));
        },
        token, first<asio::const_buffer, 2>(buffers));
  }

 private:
  /// The first buffers that have room or bytes.
  template <class Buffer, std::size_t count, class Buffers>
  static std::array<Buffer, count> first(const Buffers& buffers) {
    std::array<Buffer, count> out;
    std::size_t found = 0;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto it = asio::buffer_sequence_begin(buffers); it != end && found < count; ++it) {
      if (Buffer(*it).size() > 0) out[found++] = *it;
    }
    return out;
  }

  template <class Handler>
  static IoHandler erase(Handler handler, const asio::any_io_executor& fallback) {
    struct Erased final : IoHandler::Base {
      Erased(Handler to_call, asio::any_io_executor runs_on) : call(std::move(to_call)), executor(std::move(runs_on)) {}
      void complete(error_code error, std::size_t bytes) override {
        auto on = asio::get_associated_executor(call, executor);
        asio::dispatch(on, [to_call = std::move(call), error, bytes]() mutable { std::move(to_call)(error, bytes); });
      }
      Handler call;
      asio::any_io_executor executor;
    };
    auto erased = std::make_unique<Erased>(std::move(handler), fallback);
    erased->slot = asio::get_associated_cancellation_slot(erased->call);
    return IoHandler(std::move(erased));
  }

  asio::any_io_executor executor_;
  std::shared_ptr<Transport> transport_;
};

// What Beast calls to end the connection under a WebSocket.
[[maybe_unused]] void teardown(beast::role_type, Stream& stream, error_code& error) {
  stream.transport().close();
  error = {};
}

template <class Handler>
void async_teardown(beast::role_type, Stream& stream, Handler&& handler) {
  stream.transport().shutdown_write();
  asio::post(stream.get_executor(),
             [done = std::forward<Handler>(handler)]() mutable { std::move(done)(error_code{}); });
}

void beast_close_socket(Stream& stream) { stream.transport().close(); }

using Wire = beast::websocket::stream<Stream>;

std::unexpected<Error> socket_failure(const error_code& error) {
  if (error == beast::websocket::error::closed) {
    return fail(Code::kCancelled, reason::kClosed, "The other side has closed the WebSocket.");
  }
  if (error == beast::websocket::error::message_too_big || error == beast::websocket::error::buffer_overflow) {
    return fail(Code::kTooLarge, "too-large", "The WebSocket message is over the limit of 1 MiB.");
  }
  if (error == beast::error::timeout) {
    return fail(Code::kTimeout, "timeout", "The other side of the WebSocket does not answer.");
  }
  if (error == asio::error::operation_aborted) {
    return fail(Code::kCancelled, "cancelled", "The WebSocket was given up.");
  }
  return fail(Code::kUnavailable, reason::kConnectionLost, "The connection under the WebSocket broke.",
              error.message());
}

/// Keeps the connection on its loop: calls from elsewhere hop there and back, those from there do not.
class Socket final : public WebSocket, public std::enable_shared_from_this<Socket> {
 public:
  explicit Socket(std::shared_ptr<Transport> transport) : transport_(transport), wire_(Stream(std::move(transport))) {
    wire_.read_message_max(kWebSocketMessageLimit);
    wire_.auto_fragment(false);
  }

  Wire& wire() { return wire_; }
  const std::shared_ptr<Transport>& transport() const { return transport_; }

  /// `idle` without a byte brings a ping at its half, and the end at its whole.
  void keep_alive(beast::role_type role, std::chrono::seconds idle) {
    auto limits = beast::websocket::stream_base::timeout::suggested(role);
    limits.handshake_timeout = std::chrono::seconds(10);
    limits.idle_timeout = idle;
    limits.keep_alive_pings = true;
    wire_.set_option(limits);
  }

  asio::awaitable<Result<Message>> read() override {
    auto work = read_here(shared_from_this());
    if (co_await asio::this_coro::executor == transport_->executor()) co_return co_await std::move(work);
    co_return co_await run_on(transport_->executor(), std::move(work));
  }

  asio::awaitable<Result<>> write(Message message) override {
    auto work = write_here(shared_from_this(), std::move(message));
    if (co_await asio::this_coro::executor == transport_->executor()) co_return co_await std::move(work);
    co_return co_await run_on(transport_->executor(), std::move(work));
  }

  asio::awaitable<void> close(std::uint16_t code, std::string reason) override {
    auto work = close_here(shared_from_this(), code, std::move(reason));
    co_await run_on(transport_->executor(), std::move(work));
  }

 private:
  static asio::awaitable<Result<Message>> read_here(std::shared_ptr<Socket> self) {
    beast::flat_buffer buffer;
    auto& claim = self->transport_->claim();
    do {
      auto [error, size] = co_await self->wire_.async_read_some(buffer, net::Claim::kPiece, kTuple);
      if (error) co_return socket_failure(error);
      self->reading_ = buffer.size();
      if (!self->covered()) co_return fail(claim.budget()->refusal());
    } while (!self->wire_.is_message_done());
    Message message;
    message.binary = self->wire_.got_binary();
    message.data.assign(static_cast<const char*>(buffer.data().data()), buffer.size());
    self->reading_ = 0;
    self->settle();
    co_return message;
  }

  static asio::awaitable<Result<>> write_here(std::shared_ptr<Socket> self, Message message) {
    self->writing_ = message.data.size();
    if (!self->covered()) co_return fail(self->transport_->claim().budget()->refusal());
    self->wire_.binary(message.binary);
    auto [error, size] = co_await self->wire_.async_write(asio::buffer(message.data), kTuple);
    self->writing_ = 0;
    self->settle();
    if (error) co_return socket_failure(error);
    co_return Result<>{};
  }

  static asio::awaitable<void> close_here(std::shared_ptr<Socket> self, std::uint16_t code, std::string reason) {
    if (!self->wire_.is_open()) co_return;
    beast::websocket::close_reason why(static_cast<beast::websocket::close_code>(code));
    reason.resize(std::min<std::size_t>(reason.size(), 123));  // what a control frame can hold
    why.reason = beast::string_view(reason);
    // Whether the peer heard it changes nothing: the connection ends in any case.
    co_await self->wire_.async_close(why, kTuple);
  }

  /// Whether what is held for it, in both directions, may be.
  bool covered() { return transport_->claim().cover(reading_ + writing_); }
  void settle() {
    if (reading_ + writing_ == 0) transport_->claim().release();
  }

  std::shared_ptr<Transport> transport_;
  Wire wire_;
  std::size_t reading_ = 0, writing_ = 0;  ///< bytes of the message on its way in, and out
};

void copy_field(const Request& from, const char* name, beast::http::request<beast::http::empty_body>& to) {
  const auto value = from.headers.get(name);
  to.set(name, beast::string_view(value.data(), value.size()));
}

/// Fields that the handshake itself writes.
bool own_field(std::string_view name) {
  return same_text(name, "Upgrade") || same_text(name, "Connection") || same_text(name, "Sec-WebSocket-Key") ||
         same_text(name, "Sec-WebSocket-Version") || same_text(name, "Sec-WebSocket-Accept") ||
         same_text(name, "Host") || same_text(name, "Content-Length") || same_text(name, "Transfer-Encoding");
}

template <class Message>
void add_fields(const Headers& headers, Message& message) {
  for (const auto& [name, value] : headers) {
    if (!own_field(name)) message.insert(name, value);
  }
}

}  // namespace

bool wants_websocket(const Request& request) {
  return request.method == "GET" && has_token(request.headers.get("Upgrade"), "websocket") &&
         has_token(request.headers.get("Connection"), "upgrade") &&
         request.headers.get("Sec-WebSocket-Version") == "13" && request.headers.get("Sec-WebSocket-Key").size() == 24;
}

asio::awaitable<Result<std::shared_ptr<WebSocket>>> accept_websocket(std::shared_ptr<Transport> transport,
                                                                     Request request, Headers extra) {
  auto socket = std::make_shared<Socket>(std::move(transport));
  socket->keep_alive(beast::role_type::server, std::chrono::seconds(60));
  socket->wire().set_option(beast::websocket::stream_base::decorator(
      [extra = std::move(extra)](beast::websocket::response_type& answer) { add_fields(extra, answer); }));
  beast::http::request<beast::http::empty_body> head;
  head.method(beast::http::verb::get);
  head.target(request.target);
  head.version(11);
  for (const char* name : {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}) {
    copy_field(request, name, head);
  }
  auto [error] = co_await socket->wire().async_accept(head, kTuple);
  if (error) co_return socket_failure(error);
  co_return std::shared_ptr<WebSocket>(std::move(socket));
}

asio::any_io_executor loop_of(const std::shared_ptr<WebSocket>& socket) {
  return std::dynamic_pointer_cast<Socket>(socket)->transport()->executor();
}

namespace {

asio::awaitable<std::shared_ptr<FrameSocket>> take_here(std::shared_ptr<Socket> socket, FrameLimits limits) {
  const auto& transport = socket->transport();
  if (!transport->open()) co_return nullptr;
  transport->take();
  co_return std::make_shared<FrameSocket>(transport, limits);
}

}  // namespace

asio::awaitable<std::shared_ptr<FrameSocket>> take_frames(std::shared_ptr<WebSocket> socket, FrameLimits limits) {
  auto served = std::dynamic_pointer_cast<Socket>(std::move(socket));
  const auto executor = served->transport()->executor();
  auto work = take_here(std::move(served), limits);
  co_return co_await run_on(executor, std::move(work));
}

namespace {

/// Owned by the caller, while pending operations share the socket.
class ClientSocket final : public WebSocket {
 public:
  ClientSocket(std::shared_ptr<Socket> socket, std::shared_ptr<Transport> transport)
      : socket_(std::move(socket)), transport_(std::move(transport)) {}
  ~ClientSocket() override {
    auto transport = transport_;
    asio::dispatch(transport->executor(), [transport] { transport->close(); });
  }
  asio::awaitable<Result<Message>> read() override { return socket_->read(); }
  asio::awaitable<Result<>> write(Message message) override { return socket_->write(std::move(message)); }
  asio::awaitable<void> close(std::uint16_t code, std::string reason) override {
    return socket_->close(code, std::move(reason));
  }

 private:
  std::shared_ptr<Socket> socket_;
  std::shared_ptr<Transport> transport_;
};

}  // namespace

asio::awaitable<Result<std::unique_ptr<WebSocket>>> connect_websocket(std::shared_ptr<Transport> transport,
                                                                      Request request, std::string host) {
  auto socket = std::make_shared<Socket>(transport);
  socket->keep_alive(beast::role_type::client, std::chrono::seconds(60));
  Headers extra = std::move(request.headers);
  socket->wire().set_option(beast::websocket::stream_base::decorator(
      [extra = std::move(extra)](beast::websocket::request_type& head) { add_fields(extra, head); }));
  beast::websocket::response_type answer;
  auto [error] = co_await socket->wire().async_handshake(answer, host, request.target, kTuple);
  if (error == beast::websocket::error::upgrade_declined) {
    co_return fail(Code::kInvalid, reason::kUpgradeRefused, "The other side does not open a WebSocket here.",
                   std::to_string(answer.result_int()) + " " + answer.body());
  }
  if (error) co_return socket_failure(error);
  std::unique_ptr<WebSocket> out = std::make_unique<ClientSocket>(std::move(socket), std::move(transport));
  co_return out;
}

}  // namespace tiltyard::http
