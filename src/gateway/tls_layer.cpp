#include "gateway/tls_layer.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tiltyard::gateway {

namespace {

// One record of TLS holds so much.
constexpr std::size_t kRecord = 16 * 1024;
// The library takes as many announcements of new keys (RFC 8446 section 4.6.3), and answers as many wishes for a new
// handshake (RFC 5246 section 7.4.1.2), as come, one after the other, and gives nobody else a turn meanwhile. No client
// has a reason for so many records without a byte of its own between them.
constexpr int kMostIdleTalk = 32;

/// Walks over pieces, a record at a time.
class Pieces {
 public:
  explicit Pieces(std::span<const iovec> pieces) : pieces_(pieces) { skip(0); }
  bool empty() const { return pieces_.empty(); }
  /// What goes into the next record: in one place already, or brought together in `room`, so that a head and a short
  /// body are one record and one packet.
  std::string_view next(std::array<char, kRecord>& room) const {
    const auto left = pieces_[0].iov_len - at_;
    const auto* begin = static_cast<const char*>(pieces_[0].iov_base) + at_;
    if (left >= kRecord || pieces_.size() == 1) return {begin, std::min(left, kRecord)};
    std::size_t size = 0;
    for (std::size_t i = 0; i < pieces_.size() && size < kRecord; ++i) {
      const auto skipped = i == 0 ? at_ : 0;
      const auto part = std::min(pieces_[i].iov_len - skipped, kRecord - size);
      std::memcpy(room.data() + size, static_cast<const char*>(pieces_[i].iov_base) + skipped, part);
      size += part;
    }
    return {room.data(), size};
  }
  void skip(std::size_t size) {
    at_ += size;
    while (!pieces_.empty() && at_ >= pieces_[0].iov_len) {
      at_ -= pieces_[0].iov_len;
      pieces_ = pieces_.subspan(1);
    }
  }

 private:
  std::span<const iovec> pieces_;
  std::size_t at_ = 0;
};

}  // namespace

/// The library's way to the socket.
struct TlsLayer::Method {
  BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tiltyard");
  Method() {
    BIO_meth_set_read(made, [](BIO* bio, char* to, int size) { return of(bio).receive(bio, to, size); });
    BIO_meth_set_write(made, [](BIO* bio, const char* from, int size) { return of(bio).transmit(bio, from, size); });
    BIO_meth_set_ctrl(made, [](BIO* bio, int what, long, void*) -> long {
      return what == BIO_CTRL_FLUSH || (what == BIO_CTRL_EOF && of(bio).over_) ? 1 : 0;
    });
  }
  static TlsLayer& of(BIO* bio) { return *static_cast<TlsLayer*>(BIO_get_data(bio)); }
  static BIO* over(TlsLayer& layer) {
    static const Method method;
    BIO* bio = BIO_new(method.made);
    BIO_set_data(bio, &layer);
    BIO_set_init(bio, 1);
    return bio;
  }
};

TlsLayer::TlsLayer(const tls::Context& context, int fd, std::string first, tls::Doorman* doorman)
    : ssl_(SSL_new(context.native())), fd_(fd), kernel_(context.kernel()), first_(std::move(first)) {
  if (!ssl_) throw std::bad_alloc();
  BIO* bio = Method::over(*this);
  SSL_set_bio(ssl_.get(), bio, bio);
  // The keys go to the kernel by way of the library's own sockets.
  if (kernel_) SSL_set0_wbio(ssl_.get(), BIO_new_socket(fd, BIO_NOCLOSE));
  SSL_set_accept_state(ssl_.get());
  SSL_set_msg_callback(ssl_.get(), note_record);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  tls::Context::ask(ssl_.get(), doorman);
}

TlsLayer::~TlsLayer() = default;

void TlsLayer::note_record(int written, int, int type, const void*, std::size_t, SSL* session, void* layer) {
  auto& self = *static_cast<TlsLayer*>(layer);
  if (written != 0 || type != SSL3_RT_HEADER || !self.shaken_) return;
  // As if its end had come: what is left is thrown away, whoever reads the socket.
  if (++self.idle_talk_ > kMostIdleTalk) SSL_set_shutdown(session, SSL_RECEIVED_SHUTDOWN);
}

int TlsLayer::receive(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  const auto room = static_cast<std::size_t>(size);
  if (first_used_ < first_.size()) {
    const auto got = first_.copy(to, room, first_used_);
    first_used_ += got;
    return static_cast<int>(got);
  }
  while (!dry_) {
    const auto got = ::recv(fd_, to, room, 0);
    // Less than asked for means that nothing is left (epoll(7)); the end of the stream is still to be read though.
    if (got > 0) dry_ = static_cast<std::size_t>(got) < room && !ended_;
    over_ = got == 0;
    if (got >= 0) return static_cast<int>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return -1;
    dry_ = true;
  }
  BIO_set_retry_read(bio);
  return -1;
}

int TlsLayer::transmit(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  if (gathers_) {
    out_.append(from, static_cast<std::size_t>(size));
    return size;
  }
  while (flush()) {
    const auto sent = ::send(fd_, from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<int>(sent);
    if (errno == EINTR) continue;
    if (errno == EAGAIN) break;
    return -1;
  }
  BIO_set_retry_write(bio);
  return -1;
}

/// Sends what the handshake has gathered. False: some of it is left.
bool TlsLayer::flush() {
  while (!out_.empty()) {
    const auto sent = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // A socket that is broken says so to the next read.
    if (sent < 0 && errno != EAGAIN) out_.clear();
    if (sent < 0) break;
    out_.erase(0, static_cast<std::size_t>(sent));
  }
  if (out_.empty()) out_.shrink_to_fit();
  return out_.empty();
}

/// Once the first bytes are used up, the library may read by itself, and hand its keys to the kernel.
void TlsLayer::use_sockets() {
  if (!kernel_ || first_used_ < first_.size() || BIO_method_type(SSL_get_rbio(ssl_.get())) == BIO_TYPE_SOCKET) return;
  SSL_set0_rbio(ssl_.get(), BIO_new_socket(fd_, BIO_NOCLOSE));
}

TlsLayer::Shake TlsLayer::shake(Stream& stream) {
  dry_ = !stream.readable;
  ended_ = stream.peer_ended;
  ERR_clear_error();
  // A flight, and the tickets behind the last one, are one packet.
  gathers_ = !kernel_;
  const int done = SSL_do_handshake(ssl_.get());
  gathers_ = false;
  if (!flush()) {
    stream.writable = false;
    return Shake::kMore;
  }
  if (done == 1) {
    std::string().swap(first_);
    first_used_ = 0;
    shaken_ = true;
    return Shake::kDone;
  }
  use_sockets();
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
      stream.readable = false;
      return Shake::kMore;
    case SSL_ERROR_WANT_WRITE:
      stream.writable = false;
      return Shake::kMore;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      return Shake::kElsewhere;
    default:
      failed_ = true;
      return Shake::kFailed;
  }
}

IoResult TlsLayer::told(Stream& stream, int done) {
  if (done > 0) return {Io::kOk, static_cast<std::size_t>(done)};
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
      stream.readable = false;
      return {Io::kBlocked, 0};
    case SSL_ERROR_WANT_WRITE:
      stream.writable = false;
      return {Io::kBlocked, 0};
    case SSL_ERROR_ZERO_RETURN:
      stream.readable = false;
      stream.peer_ended = true;
      return {Io::kEnd, 0};
    default:
      failed_ = true;
      stream.readable = stream.writable = false;
      stream.broken = true;
      return {Io::kBroken, 0};
  }
}

IoResult TlsLayer::read(Stream& stream, char* to, std::size_t size) {
  // The flag is up: the kernel may have said so since.
  if (stream.readable) dry_ = false;
  ended_ = stream.peer_ended;
  ERR_clear_error();
  const auto result = told(stream, SSL_read(ssl_.get(), to, static_cast<int>(size)));
  if (result.state == Io::kOk) idle_talk_ = 0;
  if (result.state == Io::kOk && dry_ && SSL_has_pending(ssl_.get()) == 0) stream.readable = false;
  return result;
}

IoResult TlsLayer::write(Stream& stream, std::span<const iovec> pieces) {
  static thread_local std::array<char, kRecord> room;
  Pieces left(pieces);
  IoResult all{Io::kOk, 0};
  while (!left.empty()) {
    const auto next = left.next(room);
    ERR_clear_error();
    const auto result = told(stream, SSL_write(ssl_.get(), next.data(), static_cast<int>(next.size())));
    if (result.state != Io::kOk) return all.size > 0 && result.state == Io::kBlocked ? all : result;
    all.size += result.size;
    left.skip(result.size);
  }
  return all;
}

bool TlsLayer::has_bytes(const Stream& stream) const {
  char byte;
  return SSL_has_pending(ssl_.get()) == 1 || ::recv(stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void TlsLayer::finish(Stream&) {
  if (failed_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

bool TlsLayer::read_splices() const {
  return kernel_ && BIO_get_ktls_recv(SSL_get_rbio(ssl_.get())) && SSL_has_pending(ssl_.get()) == 0;
}

bool TlsLayer::write_splices() const { return kernel_ && BIO_get_ktls_send(SSL_get_wbio(ssl_.get())); }

}  // namespace tiltyard::gateway
