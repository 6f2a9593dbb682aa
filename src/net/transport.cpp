#include "net/transport.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tls/context.h"

namespace tiltyard::http {
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// An awaitable for the bytes that are there already.
asio::awaitable<Io> at_once(std::size_t bytes) { co_return Io{error_code{}, bytes}; }

std::unexpected<Error> tls_invalid(const std::string& file, const error_code& error) {
  return fail(Code::kInvalid, "tls-invalid", "The TLS file '" + file + "' cannot be used.", error.message());
}

}  // namespace

struct Transport::Tls {
  Tls(Socket& socket, std::shared_ptr<asio::ssl::context> settings)
      : context(std::move(settings)), stream(socket, *context) {}

  std::shared_ptr<const tls::Context> server;  ///< whose callbacks the session calls; null: a client's
  std::shared_ptr<asio::ssl::context> context;
  asio::ssl::stream<Socket&> stream;
};

Transport::Transport(Socket socket) : socket_(std::move(socket)) {}
Transport::~Transport() = default;

asio::any_io_executor Transport::executor() { return socket_.get_executor(); }

asio::awaitable<error_code> Transport::accept_tls(std::shared_ptr<const tls::Context> context, std::string read) {
  // The wrapper owns a reference of its own.
  ::SSL_CTX_up_ref(context->native());
  tls_ = std::make_unique<Tls>(socket_, std::make_shared<asio::ssl::context>(context->native()));
  tls_->server = std::move(context);
  const asio::const_buffer first(read.data(), read.size());
  auto [error, used] = co_await tls_->stream.async_handshake(asio::ssl::stream_base::server, first, kTuple);
  // An authority has seen its challenge: there is no more to say.
  if (!error && tls::Context::was_challenge(tls_->stream.native_handle())) co_return asio::error::eof;
  co_return error;
}

asio::awaitable<error_code> Transport::connect_tls(std::shared_ptr<asio::ssl::context> context, std::string host) {
  tls_ = std::make_unique<Tls>(socket_, std::move(context));
  if (!host.empty()) {
    ::SSL_set_tlsext_host_name(tls_->stream.native_handle(), host.c_str());
    tls_->stream.set_verify_callback(asio::ssl::host_name_verification(host));
  }
  auto [error] = co_await tls_->stream.async_handshake(asio::ssl::stream_base::client, kTuple);
  co_return error;
}

std::size_t Transport::take_unread(asio::mutable_buffer into) {
  const auto size = std::min(into.size(), unread_.size());
  std::memcpy(into.data(), unread_.data(), size);
  unread_.erase(0, size);
  return size;
}

asio::awaitable<Io> Transport::read_some(asio::mutable_buffer into) {
  if (!unread_.empty()) return at_once(take_unread(into));
  if (tls_) return tls_->stream.async_read_some(into, kTuple);
  return socket_.async_read_some(into, kTuple);
}

asio::awaitable<Io> Transport::write_some(asio::const_buffer from) {
  if (tls_) return tls_->stream.async_write_some(from, kTuple);
  return socket_.async_write_some(from, kTuple);
}

asio::awaitable<error_code> Transport::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    auto [error, written] = co_await write_some(asio::const_buffer(bytes.data(), bytes.size()));
    if (error) co_return error;
    bytes.remove_prefix(written);
  }
  co_return error_code{};
}

void Transport::start_read(asio::mutable_buffer into, IoHandler handler) {
  if (!unread_.empty()) {
    const auto size = take_unread(into);
    asio::post(socket_.get_executor(), [handler = std::move(handler), size]() mutable { handler(error_code{}, size); });
    return;
  }
  const auto slot = handler.slot();
  auto token = asio::bind_cancellation_slot(slot, std::move(handler));
  if (tls_) tls_->stream.async_read_some(into, std::move(token));
  else socket_.async_read_some(into, std::move(token));
}

void Transport::start_write(std::array<asio::const_buffer, 2> from, IoHandler handler) {
  const auto slot = handler.slot();
  auto token = asio::bind_cancellation_slot(slot, std::move(handler));
  if (tls_) tls_->stream.async_write_some(from, std::move(token));
  else socket_.async_write_some(from, std::move(token));
}

Io Transport::read_now(asio::mutable_buffer into) {
  if (!unread_.empty()) return {error_code{}, take_unread(into)};
  const auto got = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  if (got > 0) return {error_code{}, static_cast<std::size_t>(got)};
  if (got == 0) return {asio::error::eof, 0};
  return {error_code(errno == EAGAIN ? EWOULDBLOCK : errno, boost::system::system_category()), 0};
}

Io Transport::write_now(const iovec* pieces, std::size_t count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return {error_code{}, static_cast<std::size_t>(sent)};
  return {error_code(errno == EAGAIN ? EWOULDBLOCK : errno, boost::system::system_category()), 0};
}

void Transport::start_wait(bool to_write, IoHandler handler) {
  socket_.async_wait(to_write ? Socket::wait_write : Socket::wait_read,
                     [handler = std::move(handler)](error_code error) mutable { handler(error, 0); });
}

void Transport::unread(std::string bytes) { unread_.insert(0, bytes); }

void Transport::cancel() {
  error_code ignored;
  socket_.cancel(ignored);
}

void Transport::close() {
  error_code ignored;
  socket_.close(ignored);
}

bool Transport::open() const { return socket_.is_open(); }

void Transport::shutdown_write() {
  error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

bool Transport::peer_gone() {
  if (!socket_.is_open()) return true;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return info.tcpi_state != TCP_ESTABLISHED;
}

std::string Transport::local_address() {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (::getsockname(socket_.native_handle(), reinterpret_cast<sockaddr*>(&at), &size) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* address = at.ss_family == AF_INET
                            ? static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(&at)->sin_addr)
                        : at.ss_family == AF_INET6 ? &reinterpret_cast<sockaddr_in6*>(&at)->sin6_addr
                                                   : nullptr;
  if (address == nullptr || ::inet_ntop(at.ss_family, address, text.data(), text.size()) == nullptr) return {};
  return text.data();
}

bool Transport::quiet() {
  if (!socket_.is_open() || !unread_.empty()) return false;
  char byte = 0;
  const auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Result<std::shared_ptr<asio::ssl::context>> make_client_context(const std::string& ca_file,
                                                                const std::string& certificate_file,
                                                                const std::string& key_file) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  ::SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->set_verify_mode(asio::ssl::verify_peer);
  error_code error;
  if (ca_file.empty()) context->set_default_verify_paths(error);
  else context->load_verify_file(ca_file, error);
  if (error) return tls_invalid(ca_file, error);
  if (!certificate_file.empty()) {
    context->use_certificate_chain_file(certificate_file, error);
    if (error) return tls_invalid(certificate_file, error);
    context->use_private_key_file(key_file, asio::ssl::context::pem, error);
    if (error) return tls_invalid(key_file, error);
  }
  return context;
}

}  // namespace tiltyard::http
