#include <gtest/gtest.h>

#include <future>

#include "net/client.h"
#include "net/testing.h"

namespace tiltyard::http {
namespace {

using namespace std::chrono_literals;
using testing::run;
using testing::Site;
using testing::Wire;
using Task = asio::awaitable<void>;

/// Sends back every message until the other side closes; says in `ended` how it ended.
Handler echo(std::shared_ptr<std::promise<std::string>> ended) {
  return [ended](Request) -> asio::awaitable<Result<Response>> {
    Response response;
    response.headers.add("X-Own", "field");
    response.websocket = [ended](std::shared_ptr<WebSocket> socket) -> Task {
      while (true) {
        auto message = co_await socket->read();
        if (!message) {
          ended->set_value(message.error().reason);
          co_return;
        }
        const auto sent = co_await socket->write(std::move(*message));
        if (!sent) co_return;
      }
    };
    co_return response;
  };
}

struct SocketSite : Site {
  std::shared_ptr<std::promise<std::string>> ended = std::make_shared<std::promise<std::string>>();
  SocketSite() {
    add("GET", "/socket", echo(ended));
    start();
  }
  Target target() const {
    Target out;
    out.host = "127.0.0.1";
    out.port = port();
    return out;
  }
};

std::string handshake(const std::string& fields) {
  return "GET /socket HTTP/1.1\r\nHost: here:80\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         fields + "\r\n";
}

/// A masked client frame with the mask 0 (RFC 6455, 5.2).
std::string frame(int opcode, std::string_view data) {
  std::string out{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | data.size())};
  return out + std::string(4, '\0') + std::string(data);
}

TEST(R11_5, AWebSocketEchoesBothKindsOfMessages) {
  SocketSite site;
  Client client(site.target());
  run(site.loops.home(), [](Client& c) -> Task {
    Request open;
    open.target = "/socket";
    auto socket = co_await c.websocket(open, 5s);
    EXPECT_TRUE(socket.has_value());
    if (!socket) co_return;
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{70'000}, std::size_t{1024 * 1024}}) {
      for (const bool binary : {false, true}) {
        WebSocket::Message message{binary, std::string(size, 'x')};
        const auto sent = co_await (*socket)->write(message);
        EXPECT_TRUE(sent.has_value());
        const auto back = co_await (*socket)->read();
        EXPECT_TRUE(back.has_value());
        if (!back) co_return;
        EXPECT_EQ(back->binary, binary);
        EXPECT_EQ(back->data, message.data);
      }
    }
    co_await (*socket)->close(1000, "done");
  }(client));
  EXPECT_EQ(site.ended->get_future().get(), "closed");
}

TEST(R10_6, AMessageOverTheLimitEndsTheSocket) {
  SocketSite site;
  Client client(site.target());
  run(site.loops.home(), [](Client& c) -> Task {
    Request open;
    open.target = "/socket";
    auto socket = co_await c.websocket(open, 5s);
    EXPECT_TRUE(socket.has_value());
    if (!socket) co_return;
    WebSocket::Message large{true, std::string(1024 * 1024 + 1, 'x')};
    const auto sent = co_await (*socket)->write(large);
    (void)sent;  // the peer may have closed before it was all out
    const auto back = co_await (*socket)->read();
    EXPECT_FALSE(back.has_value());
  }(client));
  EXPECT_EQ(site.ended->get_future().get(), "too-large");
}

TEST(R10_6, WithACookieOnlyPagesOfThisHostMayOpenAWebSocket) {
  SocketSite site;
  struct Case {
    const char* fields;
    int status;
  };
  const Case cases[] = {
      {"Cookie: s=1\r\nOrigin: http://evil.example\r\n", 403}, {"Cookie: s=1\r\nOrigin: null\r\n", 403},
      {"Cookie: s=1\r\nOrigin: http://here:81\r\n", 403},      {"Cookie: s=1\r\n", 403},
      {"Cookie: s=1\r\nOrigin: http://here:80\r\n", 101},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.fields);
    Wire wire(site.port());
    wire.send(handshake(one.fields));
    const auto answer = wire.answer();
    EXPECT_EQ(answer.status, one.status);
    EXPECT_FALSE(answer.field("Content-Security-Policy").empty());
    if (one.status == 101) {
      EXPECT_EQ(answer.field("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
      EXPECT_EQ(answer.field("X-Own"), "field");
    }
  }
}

TEST(R11_5, FramesThatCameWithTheHandshakeAreNotLost) {
  SocketSite site;
  Wire wire(site.port());
  wire.send(handshake("") + frame(1, "hello") + frame(9, "ping"));
  EXPECT_EQ(wire.answer().status, 101);
  std::string back = wire.exactly(13);
  EXPECT_NE(back.find(std::string("\x81\x05hello", 7)), std::string::npos);
  EXPECT_NE(back.find(std::string("\x8a\x04ping", 6)), std::string::npos);
  wire.send(frame(8, std::string("\x03\xe8", 2)));
  EXPECT_EQ(wire.exactly(4), std::string("\x88\x02\x03\xe8", 4));
  EXPECT_TRUE(wire.ended());
}

TEST(R11_5, AnUnmaskedFrameEndsTheSocketAndAPlainGetIsToldToUpgrade) {
  SocketSite site;
  Wire wire(site.port());
  wire.send(handshake("") + std::string("\x81\x05hello", 7));
  EXPECT_EQ(wire.answer().status, 101);
  EXPECT_EQ(wire.rest().substr(0, 1), "\x88") << "a close frame";
  const auto plain = site.get("/socket");
  EXPECT_EQ(plain.status, 426);
  EXPECT_EQ(plain.field("Upgrade"), "websocket");
}

TEST(R11_5, AClientThatVanishesEndsTheHandlersRead) {
  SocketSite site;
  {
    Wire wire(site.port());
    wire.send(handshake(""));
    EXPECT_EQ(wire.answer().status, 101);
  }
  auto ended = site.ended->get_future();
  ASSERT_EQ(ended.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(ended.get(), "connection-lost");
}

TEST(R11_5, StoppingTheServerEndsWebSocketsAtOnce) {
  SocketSite site;
  Wire wire(site.port());
  wire.send(handshake(""));
  EXPECT_EQ(wire.answer().status, 101);
  const auto began = std::chrono::steady_clock::now();
  site.stop(30s);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_TRUE(wire.ended());
}

TEST(R11_5, ARefusedWebSocketIsAnError) {
  SocketSite site;
  site.add("GET", "/none", [](Request) -> asio::awaitable<Result<Response>> { co_return Response::text(403, "no"); });
  Client client(site.target());
  run(site.loops.home(), [](Client& c) -> Task {
    Request open;
    open.target = "/none";
    const auto socket = co_await c.websocket(open, 5s);
    EXPECT_FALSE(socket.has_value());
    if (!socket) EXPECT_EQ(socket.error().reason, "upgrade-refused");
  }(client));
}

}  // namespace
}  // namespace tiltyard::http
