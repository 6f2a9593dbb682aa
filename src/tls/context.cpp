#include "tls/context.h"

#include <array>
#include <string_view>

namespace tiltyard::tls {
namespace {

// Forward secrecy and AEAD alone; those that most processors do in hardware first.
constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCiphers13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr std::string_view kHttp11 = "http/1.1", kAcme = "acme-tls/1";

/// What has been found out of a session: where its doorman is, and how it goes on.
enum class Kind : std::uintptr_t { kHttp = 0, kRaw, kChallenge };

struct Places {
  int doorman = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  int kind = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  int owner = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
};

const Places& places() {
  static const Places all;
  return all;
}

void set_kind(SSL* session, Kind kind) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a number is all that is kept.
  SSL_set_ex_data(session, places().kind, reinterpret_cast<void*>(static_cast<std::uintptr_t>(kind)));
}

Kind kind_of(const SSL* session) {
  return static_cast<Kind>(reinterpret_cast<std::uintptr_t>(SSL_get_ex_data(session, places().kind)));
}

std::span<const unsigned char> extension_of(SSL* session, unsigned kind) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(session, kind, &bytes, &size) != 1) return {};
  return {bytes, size};
}

/// A ticket opens only what it was given for.
bool bind_tickets(SSL* session, const std::string& name) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  return EVP_Digest(name.data(), name.size(), hash.data(), &size, EVP_sha256(), nullptr) == 1 &&
         SSL_set_session_id_context(session, hash.data(), SSL_MAX_SID_CTX_LENGTH) == 1;
}

}  // namespace

Result<std::shared_ptr<Context>> Context::make(const Certificates& certificates, bool kernel) {
  std::shared_ptr<Context> made(new Context(certificates, kernel));
  made->context_.reset(SSL_CTX_new(TLS_server_method()));
  auto* context = made->context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kCiphers12) != 1 || SSL_CTX_set_ciphersuites(context, kCiphers13) != 1) {
    return fail(Code::kInternal, "tls-unusable", "The TLS library refuses the parameters that the server asks for.",
                last_words());
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  if (kernel) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  // A record that comes in pieces is read with as few calls as a plain byte would be. The kernel's keys cannot be given
  // to it while bytes wait here.
  SSL_CTX_set_read_ahead(context, kernel ? 0 : 1);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, static_cast<long>(std::chrono::seconds(TicketKeys::kLife).count()));
  SSL_CTX_set_ex_data(context, places().owner, made.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &Context::ticket_callback);
  SSL_CTX_set_client_hello_cb(context, &Context::hello_callback, made.get());
  SSL_CTX_set_alpn_select_cb(context, &Context::protocol_callback, nullptr);
  return made;
}

void Context::ask(SSL* session, Doorman* doorman) { SSL_set_ex_data(session, places().doorman, doorman); }

bool Context::was_challenge(const SSL* session) { return kind_of(session) == Kind::kChallenge; }

int Context::hello_callback(SSL* session, int* alert, void* context) {
  return static_cast<Context*>(context)->on_hello(session, alert);
}

int Context::on_hello(SSL* session, int* alert) {
  const auto hello = read_hello(extension_of(session, TLSEXT_TYPE_server_name),
                                extension_of(session, TLSEXT_TYPE_application_layer_protocol_negotiation));
  auto verdict = Verdict::kHttp;
  std::shared_ptr<const Pair> pair;
  if (hello.asks_for_challenge()) pair = certificates_.find_challenge(hello.name);
  if (pair) {
    set_kind(session, Kind::kChallenge);
  } else {
    if (auto* doorman = static_cast<Doorman*>(SSL_get_ex_data(session, places().doorman)))
      verdict = doorman->on_hello(hello);
    if (verdict == Verdict::kElsewhere) return SSL_CLIENT_HELLO_RETRY;
    if (verdict == Verdict::kRaw) set_kind(session, Kind::kRaw);
    if (verdict != Verdict::kUnknown) pair = certificates_.find(hello.name);
  }
  *alert = pair ? SSL_AD_INTERNAL_ERROR : SSL_AD_UNRECOGNIZED_NAME;
  const bool ready = pair && pair->show_in(session) && bind_tickets(session, hello.name);
  return ready ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

int Context::protocol_callback(SSL* session, const unsigned char** out, unsigned char* size, const unsigned char* in,
                               unsigned in_size, void*) {
  const auto kind = kind_of(session);
  if (kind == Kind::kRaw) return SSL_TLSEXT_ERR_NOACK;
  const auto wanted = kind == Kind::kChallenge ? kAcme : kHttp11;
  for (unsigned at = 0; at < in_size && in[at] < in_size - at; at += 1U + in[at]) {
    if (std::string_view(reinterpret_cast<const char*>(in + at + 1), in[at]) != wanted) continue;
    *out = in + at + 1;
    *size = in[at];
    return SSL_TLSEXT_ERR_OK;
  }
  // Bytes of another protocol are never taken for HTTP (alert 120).
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int Context::ticket_callback(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                             EVP_MAC_CTX* mac, int seal) {
  auto* self = static_cast<Context*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), places().owner));
  return self->tickets_.use(std::chrono::steady_clock::now(), name, iv, cipher, mac, seal == 1);
}

}  // namespace tiltyard::tls
