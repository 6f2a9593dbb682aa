#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/system/error_code.hpp>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "base/result.h"
#include "net/budget.h"

struct iovec;

namespace boost::asio::ssl {
class context;
}
namespace tiltyard::tls {
class Context;
}

namespace tiltyard::http {

namespace asio = boost::asio;
using boost::system::error_code;

/// What a read or write came to: an error, and how many bytes were moved.
using Io = std::tuple<error_code, std::size_t>;

/// The completion handler of one read or write, whatever its type: keeps Beast's composed operations from being
/// compiled once for each kind of stream.
class IoHandler {
 public:
  struct Base {
    virtual ~Base() = default;
    virtual void complete(error_code error, std::size_t bytes) = 0;
    asio::cancellation_slot slot;
  };
  explicit IoHandler(std::unique_ptr<Base> base) : base_(std::move(base)) {}
  asio::cancellation_slot slot() const { return base_->slot; }
  void operator()(error_code error, std::size_t bytes) {
    const auto base = std::move(base_);
    base->complete(error, bytes);
  }

 private:
  std::unique_ptr<Base> base_;
};

/// A connected byte stream: TCP or a Unix socket, with or without TLS. Belongs to one loop; one read and one write may
/// be under way at a time. Pending operations complete with an error after `close`.
class Transport {
 public:
  using Socket = asio::generic::stream_protocol::socket;

  explicit Transport(Socket socket);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  asio::any_io_executor executor();
  /// TLS from here on. A client names the host that the certificate must be for (checked when it is not empty).
  /// `read`: what has been read of it already.
  asio::awaitable<error_code> accept_tls(std::shared_ptr<const tls::Context> context, std::string read);
  asio::awaitable<error_code> connect_tls(std::shared_ptr<asio::ssl::context> context, std::string host);

  /// Some bytes; zero bytes without an error never happen, the end is asio::error::eof.
  asio::awaitable<Io> read_some(asio::mutable_buffer into);
  asio::awaitable<Io> write_some(asio::const_buffer from);
  /// Everything, or an error.
  asio::awaitable<error_code> write_all(std::string_view bytes);

  /// The same for code that brings its own handlers.
  void start_read(asio::mutable_buffer into, IoHandler handler);
  void start_write(std::array<asio::const_buffer, 2> from, IoHandler handler);

  /// Without waiting, for code that waits by itself; not under TLS. `would_block` when there is nothing to read, or no
  /// room.
  Io read_now(asio::mutable_buffer into);
  Io write_now(const iovec* pieces, std::size_t count);
  /// Completes, with zero bytes, when one of these would do something.
  void start_wait(bool to_write, IoHandler handler);

  /// Bytes that were read too far; the next reads give them first.
  void unread(std::string bytes);

  /// Makes pending operations fail, without closing.
  void cancel();
  void close();
  bool open() const;
  /// Sends the end of our direction once everything before it is sent.
  void shutdown_write();
  /// The peer has closed its side (or all of it) by now, even if bytes are still unread. TCP only.
  bool peer_gone();
  /// The address at our end, as text; empty where it has none.
  std::string local_address();
  /// Nothing has arrived and the peer has not closed: what a kept-open connection looks like while it is good.
  bool quiet();
  bool has_unread() const { return !unread_.empty(); }
  bool tls() const { return tls_ != nullptr; }
  /// Whether somebody other than the connection that accepted it looks after it now; see take_frames().
  bool taken() const { return taken_; }
  void take() { taken_ = true; }
  /// What is held in memory of what has come and what is to go. Counts nothing unless somebody gives it a budget.
  net::Claim& claim() { return claim_; }

 private:
  struct Tls;
  std::size_t take_unread(asio::mutable_buffer into);

  Socket socket_;
  std::unique_ptr<Tls> tls_;
  std::string unread_;
  net::Claim claim_;
  bool taken_ = false;
};

/// A context that trusts `ca_file` (empty: what the system trusts) and shows the certificate if there is one.
Result<std::shared_ptr<asio::ssl::context>> make_client_context(const std::string& ca_file,
                                                                const std::string& certificate_file,
                                                                const std::string& key_file);

}  // namespace tiltyard::http
