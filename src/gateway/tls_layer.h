#pragma once

#include <string>

#include "gateway/stream.h"
#include "tls/context.h"

namespace tiltyard::gateway {

/// TLS between a player's socket and a session, as a server. It begins with bytes that have been read already: the
/// whole hello. Who waits on the handshake calls `shake` whenever the socket is ready; the rest is what Layer says.
class TlsLayer final : public Layer {
 public:
  enum class Shake : std::uint8_t { kMore, kDone, kElsewhere, kFailed };

  TlsLayer(const tls::Context& context, int fd, std::string first, tls::Doorman* doorman);
  ~TlsLayer() override;

  Shake shake(Stream& stream);
  /// After kElsewhere: what it began with.
  std::string give_back() { return std::move(first_); }
  bool was_challenge() const { return tls::Context::was_challenge(ssl_.get()); }
  bool was_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  /// The doorman goes before the layer does.
  void dismiss_doorman() { tls::Context::ask(ssl_.get(), nullptr); }
  /// From now on an end that the peer does not announce counts as one: netcats close their direction like that when
  /// their input is over, and wait for the answer.
  void take_bare_ends() { SSL_set_options(ssl_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF); }

  IoResult read(Stream& stream, char* to, std::size_t size) override;
  IoResult write(Stream& stream, std::span<const iovec> pieces) override;
  bool has_bytes(const Stream& stream) const override;
  void finish(Stream& stream) override;
  bool read_splices() const override;
  bool write_splices() const override;

 private:
  struct Method;

  static void note_record(int written, int version, int type, const void* bytes, std::size_t size, SSL* session,
                          void* layer);
  int receive(BIO* bio, char* to, int size);
  int transmit(BIO* bio, const char* from, int size);
  bool flush();
  void use_sockets();
  IoResult told(Stream& stream, int done);

  tls::Owned<SSL> ssl_;
  const int fd_;
  const bool kernel_;
  std::string first_, out_;  ///< read before the layer was; written in the handshake and not sent yet
  std::size_t first_used_ = 0;
  bool gathers_ = false;  ///< what is written waits in `out_`
  bool dry_ = false;      ///< the kernel had no more when it was asked last
  bool ended_ = false;    ///< the peer has closed, by what the loop knows
  bool over_ = false;     ///< nothing more comes: the kernel has said so
  bool failed_ = false;   ///< nothing more may be said
  bool shaken_ = false;   ///< the handshake is done
  int idle_talk_ = 0;     ///< records of the peer since the last byte of its own
};

}  // namespace tiltyard::gateway
