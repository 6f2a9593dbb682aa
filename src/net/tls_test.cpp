#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/post.hpp>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/test_folder.h"
#include "net/client.h"
#include "net/testing.h"
#include "tls/context.h"
#include "tls/testing.h"

namespace tiltyard::http {
namespace {

using namespace std::chrono_literals;
using testing::run;
using testing::Site;
using Task = asio::awaitable<void>;

/// A certificate that signs itself, on a shelf of its own, and as a file for who trusts it.
struct Certificate {
  explicit Certificate(const std::string& name) {
    const auto made = tls::testing::make(name);
    std::ofstream(file()) << made.chain;
    EXPECT_TRUE(shelf.put("it", made.chain, made.key));
    shelf.set_default("it");
    context = std::move(*tls::Context::make(shelf, false));
  }
  std::string file() const { return folder.path() + "/certificate.pem"; }

  TestFolder folder;
  SystemClock clock;
  tls::Certificates shelf{clock};
  std::shared_ptr<tls::Context> context;
};

enum class Listen { kTls, kPlain };

struct SecureSite : Site {
  explicit SecureSite(const Certificate& certificate, Listen listen = Listen::kTls) {
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
    options.tls = certificate.context;
    options.tls_at_listen = listen == Listen::kTls;
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

TEST(R2_2, PlainHttpAtATlsPortIsToldSoAndTheServerLives) {
  const Certificate certificate("IP:127.0.0.1");
  SecureSite site(certificate);
  testing::Wire wire(site.port());
  wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto answer = wire.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("tls-wanted"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("Strict-Transport-Security"), std::string::npos) << "what was said without TLS binds nobody";
  testing::Wire noise(site.port());
  noise.send(std::string("\x16\x03\x01\x40\x00\x01\xff\xff\xff", 9));
  EXPECT_EQ(noise.rest(), "") << "a hello that is too long is not waited for";
  EXPECT_TRUE(accepted(site.port(), TLS1_3_VERSION));
}

TEST(R2_2, AConnectionIsTakenOverWithWhatHasBeenReadOfIt) {
  const Certificate certificate("IP:127.0.0.1");
  SecureSite site(certificate, Listen::kPlain);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  std::signal(SIGPIPE, SIG_IGN);  // which the client would get that says goodbye too late
  const tls::Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const tls::Owned<SSL> session(SSL_new(context.get()));
  SSL_set_fd(session.get(), ends[1]);
  std::thread client([&] {
    EXPECT_EQ(SSL_connect(session.get()), 1);
    const std::string request =
        "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    EXPECT_GT(SSL_write(session.get(), request.data(), static_cast<int>(request.size())), 0);
    std::string answer(4096, '\0');
    std::size_t at = 0;
    for (int got; (got = SSL_read(session.get(), answer.data() + at, static_cast<int>(answer.size() - at))) > 0;)
      at += static_cast<std::size_t>(got);
    EXPECT_NE(answer.find("secure hi"), std::string::npos) << answer.substr(0, at);
  });
  std::string hello(100, '\0');
  ASSERT_EQ(::recv(ends[0], hello.data(), hello.size(), MSG_WAITALL), 100);
  asio::post(site.loops.net(0), [&] { site.server->take(0, ends[0], asio::ip::make_address("192.0.2.7"), hello); });
  client.join();
  ::close(ends[1]);
}

}  // namespace
}  // namespace tiltyard::http
