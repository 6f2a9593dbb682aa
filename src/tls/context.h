#pragma once

#include <memory>

#include "base/result.h"
#include "tls/certificates.h"
#include "tls/hello.h"
#include "tls/tickets.h"

namespace tiltyard::tls {

/// Where a client goes that has said hello.
enum class Verdict : std::uint8_t {
  kHttp,       ///< it is answered here, and speaks HTTP/1.1 then
  kRaw,        ///< it is answered here, and speaks what it likes
  kElsewhere,  ///< nothing is answered: the handshake stops with WANT_CLIENT_HELLO_CB, and somebody else has it
  kUnknown,    ///< nobody has that name: alert 112
};

/// Is asked where a client goes. Without one all are answered as HTTP.
class Doorman {
 public:
  virtual Verdict on_hello(const Hello& hello) = 0;

 protected:
  ~Doorman() = default;
};

/// How the server speaks TLS, at every port and for every name alike: 1.2 with forward secrecy and AEAD, and 1.3;
/// HTTP/1.1 by ALPN; no renegotiation, no compression, no early data; tickets instead of a memory of sessions. A ticket
/// is good for the name that it was given for. One for all loops and all certificates: a handshake takes its own from
/// the shelf when the hello has come.
class Context {
 public:
  /// `kernel`: keys are handed to the kernel where it takes them (kTLS).
  static Result<std::shared_ptr<Context>> make(const Certificates& certificates, bool kernel);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  SSL_CTX* native() const { return context_.get(); }
  bool kernel() const { return kernel_; }
  const Certificates& certificates() const { return certificates_; }
  /// Before the handshake.
  static void ask(SSL* session, Doorman* doorman);
  /// Whether it was an authority's look for a challenge, after which nothing is said (RFC 8737 section 3).
  static bool was_challenge(const SSL* session);

 private:
  Context(const Certificates& certificates, bool kernel) : certificates_(certificates), kernel_(kernel) {}
  int on_hello(SSL* session, int* alert);
  static int hello_callback(SSL* session, int* alert, void* context);
  static int ticket_callback(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                             EVP_MAC_CTX* mac, int seal);
  static int protocol_callback(SSL* session, const unsigned char** out, unsigned char* size, const unsigned char* in,
                               unsigned in_size, void*);

  const Certificates& certificates_;
  const bool kernel_;
  TicketKeys tickets_;
  Owned<SSL_CTX> context_;
};

}  // namespace tiltyard::tls
