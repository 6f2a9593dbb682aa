#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "net/client.h"
#include "net/testing.h"

namespace tiltyard::http {
namespace {

using namespace std::chrono_literals;
using testing::run;
using testing::Site;
using Task = asio::awaitable<void>;

/// A certificate for `name` that signs itself, and its key, as PEM files that go with this object.
class Certificate {
 public:
  explicit Certificate(const std::string& name) {
    char place[] = "/tmp/tiltyard-tls-XXXXXX";
    folder_ = ::mkdtemp(place);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, name.c_str());
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    std::FILE* out = std::fopen(file().c_str(), "w");
    PEM_write_X509(out, certificate);
    std::fclose(out);
    out = std::fopen(key_file().c_str(), "w");
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }
  std::string file() const { return folder_ + "/certificate.pem"; }
  std::string key_file() const { return folder_ + "/key.pem"; }

 private:
  std::string folder_;
};

struct SecureSite : Site {
  explicit SecureSite(const Certificate& certificate) {
    add(
        "POST", "/echo",
        [](Request request) -> asio::awaitable<Result<Response>> {
          co_return Response::text(200, (request.secure ? "secure " : "plain ") + request.body);
        },
        2'000'000);
    add("GET", "/socket", [](Request) -> asio::awaitable<Result<Response>> {
      Response response;
      response.websocket = [](std::shared_ptr<WebSocket> socket) -> Task {
        auto message = co_await socket->read();
        if (message) co_await socket->write(std::move(*message));
      };
      co_return response;
    });
    ServerOptions options;
    options.tls_certificate = certificate.file();
    options.tls_key = certificate.key_file();
    start(options);
  }
  Target target(std::string ca) const {
    Target out;
    out.host = "127.0.0.1";
    out.port = port();
    out.tls = true;
    out.ca_file = std::move(ca);
    return out;
  }
};

TEST(R10_6, TlsServesWhoTrustsTheCertificate) {
  const Certificate certificate("IP:127.0.0.1");
  SecureSite site(certificate);
  Client client(site.target(certificate.file()));
  run(site.loops.home(), [](Client& c) -> Task {
    for (const std::size_t size : {std::size_t{3}, std::size_t{1'500'000}}) {
      Request request;
      request.method = "POST";
      request.target = "/echo";
      request.body = std::string(size, 'x');
      const auto answer = co_await c.send(request, 10s);
      EXPECT_TRUE(answer.has_value());
      if (!answer) co_return;
      EXPECT_EQ(answer->body, "secure " + request.body);
      EXPECT_TRUE(answer->headers.has("Strict-Transport-Security"));
    }
    Request open;
    open.target = "/socket";
    auto socket = co_await c.websocket(open, 5s);
    EXPECT_TRUE(socket.has_value());
    if (!socket) co_return;
    WebSocket::Message message{true, std::string(200'000, 'y')};
    const auto sent = co_await (*socket)->write(message);
    EXPECT_TRUE(sent.has_value());
    const auto back = co_await (*socket)->read();
    EXPECT_TRUE(back.has_value());
    if (back) EXPECT_EQ(back->data, message.data);
    c.close_idle();
  }(client));
}

TEST(R10_6, TlsRefusesAnUnknownAuthorityAndAnotherHostsCertificate) {
  const Certificate certificate("IP:127.0.0.1"), stranger("IP:127.0.0.1"), elsewhere("DNS:elsewhere.example");
  SecureSite site(certificate), misnamed(elsewhere);
  const auto expect_refusal = [](net::Loops& loops, Target target) {
    Client client(std::move(target));
    run(loops.home(), [](Client& c) -> Task {
      const auto answer = co_await c.send(Request{}, 5s);
      EXPECT_FALSE(answer.has_value());
      if (!answer) EXPECT_EQ(answer.error().reason, "connect-failed");
    }(client));
  };
  expect_refusal(site.loops, site.target(stranger.file()));
  expect_refusal(site.loops, site.target(""));
  expect_refusal(misnamed.loops, misnamed.target(elsewhere.file()));
}

/// Whether a client that insists on one version of TLS is let in.
bool accepted(std::uint16_t port, int version) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
  SSL* session = SSL_new(context);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  SSL_set_fd(session, fd);
  const bool spoke = connected && SSL_connect(session) == 1;
  SSL_free(session);
  SSL_CTX_free(context);
  ::close(fd);
  return spoke;
}

TEST(R10_6, TlsBefore12IsNotSpoken) {
  const Certificate certificate("IP:127.0.0.1");
  SecureSite site(certificate);
  EXPECT_TRUE(accepted(site.port(), TLS1_3_VERSION));
  EXPECT_TRUE(accepted(site.port(), TLS1_2_VERSION));
  EXPECT_FALSE(accepted(site.port(), TLS1_1_VERSION));
  EXPECT_FALSE(accepted(site.port(), TLS1_VERSION));
}

TEST(R10_6, ATlsFileThatCannotBeUsedIsNamed) {
  const Certificate one("IP:127.0.0.1"), two("IP:127.0.0.1");
  net::Loops loops(1);
  Router router(loops.home());
  ServerOptions options;
  options.tls_certificate = "/nonexistent.pem";
  options.tls_key = one.key_file();
  Server missing(loops, router, options);
  const auto absent = missing.start();
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().reason, "tls-invalid");
  EXPECT_NE(absent.error().message.find("/nonexistent.pem"), std::string::npos);
  options.tls_certificate = two.file();
  Server mismatched(loops, router, options);
  const auto refused = mismatched.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "tls-invalid");
}

TEST(R10_6, PlainHttpAtATlsPortIsClosedAndTheServerLives) {
  const Certificate certificate("IP:127.0.0.1");
  SecureSite site(certificate);
  testing::Wire wire(site.port());
  wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  wire.rest();
  EXPECT_TRUE(accepted(site.port(), TLS1_3_VERSION));
}

}  // namespace
}  // namespace tiltyard::http
