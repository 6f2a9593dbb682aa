#include "net/client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "net/testing.h"

namespace tiltyard::http {
namespace {

using namespace std::chrono_literals;
using testing::Peer;
using testing::run;
using testing::Site;
using testing::Wire;
using Clock = std::chrono::steady_clock;
using Task = asio::awaitable<void>;

const char* const kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Target at(std::uint16_t port) {
  Target target;
  target.host = "127.0.0.1";
  target.port = port;
  return target;
}

Request request(std::string method, std::string target = "/", std::string body = {}) {
  Request out;
  out.method = std::move(method);
  out.target = std::move(target);
  out.body = std::move(body);
  return out;
}

/// A loop to run calls on; the client must go before it.
struct Home {
  net::Loops loops{1};
  void operator()(Task work) { run(loops.home(), std::move(work)); }
};

TEST(R11_5, AddressesAreReadOrRefused) {
  EXPECT_EQ(Target::parse("unix:///var/run/docker.sock")->unix_path, "/var/run/docker.sock");
  const auto tcp = Target::parse("tcp://10.0.0.1:2375");
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->host, "10.0.0.1");
  EXPECT_EQ(tcp->port, 2375);
  EXPECT_FALSE(tcp->tls);
  EXPECT_EQ(Target::parse("https://example.org/x")->port, 443);
  EXPECT_TRUE(Target::parse("https://example.org")->tls);
  EXPECT_EQ(Target::parse("http://[::1]:81")->host, "::1");
  EXPECT_EQ(Target::parse("http://[::1]:81")->port, 81);
  for (const char* bad :
       {"", "x", "ftp://a:1", "tcp://a", "tcp://:1", "unix://relative", "http://a:70000", "http://a:0", "tcp://a:1x"}) {
    const auto refused = Target::parse(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().reason, "invalid-address");
  }
}

TEST(R11_5, AConnectionIsUsedAgainAndAgain) {
  Home home;
  std::atomic<int> served{0};
  Peer peer({[&](Wire& wire) {
    while (wire.until("\r\n\r\n").starts_with("GET /x HTTP/1.1\r\nHost: 127.0.0.1:")) {
      ++served;
      wire.send(kOk);
    }
  }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    for (int i = 0; i < 10; ++i) {
      const auto answer = co_await c.send(request("GET", "/x"), 5s);
      EXPECT_TRUE(answer.has_value());
      if (answer) EXPECT_EQ(answer->body, "ok");
    }
    c.close_idle();
  }(client));
  EXPECT_EQ(served, 10);
}

TEST(R11_5, AStaleConnectionIsReplacedOnlyForWhatCanBeRepeated) {
  Home home;
  const auto dies_at_the_second = [](Wire& wire) {
    wire.until("\r\n\r\n");
    wire.send(kOk);
    wire.until("\r\n\r\n");  // the second request arrives, and no answer ever will
  };
  Peer peer({dies_at_the_second,
             [](Wire& wire) {
               wire.until("\r\n\r\n");
               wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfresh");
             },
             dies_at_the_second});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    auto answer = co_await c.send(request("GET"), 5s);
    EXPECT_EQ(answer->body, "ok");
    answer = co_await c.send(request("GET"), 5s);
    EXPECT_EQ(answer->body, "fresh");
    answer = co_await c.send(request("GET"), 5s);
    EXPECT_EQ(answer->body, "ok");
    answer = co_await c.send(request("POST"), 5s);
    EXPECT_FALSE(answer.has_value()) << "nobody knows whether it was done";
    if (!answer) EXPECT_EQ(answer.error().reason, "connection-lost");
  }(client));
}

TEST(R11_5, AConnectionThatThePeerHasClosedMeanwhileIsNotUsed) {
  Home home;
  std::promise<void> closed;
  Peer peer({[](Wire& wire) {
               wire.until("\r\n\r\n");
               wire.send(kOk);
             },
             [](Wire& wire) {
               wire.until("\r\n\r\n");
               wire.send(kOk);
             }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    auto answer = co_await c.send(request("POST"), 5s);
    EXPECT_TRUE(answer.has_value());
    co_await testing::pause(50ms);
    answer = co_await c.send(request("POST"), 5s);
    EXPECT_TRUE(answer.has_value()) << "even what cannot be repeated works: the old connection is seen to be dead";
  }(client));
}

TEST(R11_5, EveryWayToFailHasItsReason) {
  struct Case {
    const char* reason;
    std::string answer;
  };
  const Case cases[] = {
      {"connection-lost", ""},
      {"connection-lost", "HTTP/1.1 200 OK\r\nConte"},
      {"connection-lost", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"},
      {"connection-lost", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
      {"bad-answer", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
      {"bad-answer", "HTTP/1.1 abc OK\r\n\r\n"},
      {"too-large", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x')},
      {"too-large", "HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x')},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.answer.substr(0, 60));
    Home home;
    Peer peer({[&](Wire& wire) {
      wire.until("\r\n\r\n");
      wire.send(one.answer);
    }});
    ClientOptions options;
    options.body_limit = 1000;
    Client client(at(peer.port()), options);
    home([](Client& c, const char* reason) -> Task {
      const auto answer = co_await c.send(request("GET"), 5s);
      EXPECT_FALSE(answer.has_value());
      if (!answer) EXPECT_EQ(answer.error().reason, reason);
    }(client, one.reason));
  }
}

TEST(R11_5, NobodyListeningIsToldApartFromACutCall) {
  Home home;
  std::uint16_t free_port = 0;
  { free_port = Peer({}).port(); }
  Client tcp(at(free_port));
  Target nowhere;
  nowhere.unix_path = "/nonexistent/engine.sock";
  Client local(nowhere);
  home([](Client& a, Client& b) -> Task {
    for (Client* client : {&a, &b}) {
      const auto answer = co_await client->send(request("GET"), 5s);
      EXPECT_FALSE(answer.has_value());
      if (!answer) EXPECT_EQ(answer.error().reason, "connect-failed");
    }
  }(tcp, local));
}

TEST(R11_5, AnAnswerThatDoesNotComeIsATimeoutInTime) {
  Home home;
  std::promise<void> finished;
  Peer peer({[&](Wire& wire) {
               wire.until("\r\n\r\n");
               wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
               wire.rest();
             },
             [](Wire& wire) { wire.rest(); }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    for (int i = 0; i < 2; ++i) {
      const auto began = Clock::now();
      const auto answer = co_await c.send(request("GET"), 150ms);
      EXPECT_FALSE(answer.has_value());
      if (!answer) EXPECT_EQ(answer.error().reason, "timeout");
      EXPECT_LT(Clock::now() - began, 3s);
      EXPECT_GE(Clock::now() - began, 140ms);
    }
  }(client));
}

TEST(R11_5, InterimAnswersAndBodiesWithoutALengthAreUnderstood) {
  Home home;
  Peer peer({[](Wire& wire) {
    wire.until("\r\n\r\n");
    wire.send(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nX: "
        "1\r\n\r\n");
    wire.until("\r\n\r\n");
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");  // to a HEAD
    wire.until("\r\n\r\n");
    wire.send("HTTP/1.1 200 OK\r\n\r\nto the end");
  }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    auto answer = co_await c.send(request("DELETE"), 5s);
    EXPECT_EQ(answer->status, 204);
    EXPECT_EQ(answer->headers.get("x"), "1");
    EXPECT_FALSE(answer->headers.has("Link"));
    answer = co_await c.send(request("HEAD"), 5s);
    EXPECT_EQ(answer->headers.get("Content-Length"), "50");
    EXPECT_EQ(answer->body, "");
    answer = co_await c.send(request("GET"), 5s);
    EXPECT_EQ(answer->body, "to the end");
  }(client));
}

TEST(R11_5, AFieldThatBreaksItsLineIsNotSent) {
  Home home;
  Client client(at(1));
  home([](Client& c) -> Task {
    Request forged = request("GET", "/a HTTP/1.1\r\nX: y");
    auto answer = co_await c.send(forged, 5s);
    EXPECT_EQ(answer.error().reason, "invalid-request");
    forged = request("GET");
    forged.headers.add("A", "b\r\nC: d");
    answer = co_await c.send(forged, 5s);
    EXPECT_EQ(answer.error().reason, "invalid-request");
  }(client));
}

TEST(R11_5, AnUploadGoesInChunksAndAStreamComesBackInPieces) {
  Site site;
  site.add(
      "POST", "/size",
      [](Request in) -> asio::awaitable<Result<Response>> {
        co_return Response::text(
            200, std::string(in.headers.get("Transfer-Encoding")) + " " + std::to_string(in.body.size()));
      },
      16 * 1024 * 1024);
  site.add("GET", "/stream", [](Request) -> asio::awaitable<Result<Response>> {
    Response response;
    response.stream = [](std::shared_ptr<BodyWriter> out) -> Task {
      for (int i = 0; i < 200; ++i) {
        const auto sent = co_await out->write(std::string(50'000, static_cast<char>('a' + i % 26)));
        if (!sent) co_return;
      }
    };
    co_return response;
  });
  site.start();
  Client client(at(site.port()));
  run(site.loops.home(), [](Client& c) -> Task {
    int left = 100;
    const BodySource source = [&left]() -> asio::awaitable<Result<std::string>> {
      co_return left-- > 0 ? std::string(100'000, 'x') : std::string();
    };
    const auto answer = co_await c.upload(request("POST", "/size"), source, 20s);
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ(answer->body, "chunked 10000000");

    auto reader = co_await c.open(request("GET", "/stream"), {}, 5s);
    EXPECT_TRUE(reader.has_value());
    if (!reader) co_return;
    EXPECT_EQ((*reader)->head().status, 200);
    std::size_t total = 0;
    while (true) {
      const auto piece = co_await (*reader)->read(5s);
      EXPECT_TRUE(piece.has_value());
      if (!piece || piece->empty()) break;
      EXPECT_LE(piece->size(), 64u * 1024);
      total += piece->size();
    }
    EXPECT_EQ(total, 200u * 50'000);
    const auto again = co_await c.send(request("POST", "/size", "abc"), 5s);
    EXPECT_EQ(again->body, " 3");
    c.close_idle();
  }(client));
}

TEST(R11_5, ARefusalInTheMiddleOfAnUploadIsHeard) {
  Home home;
  Peer peer({[](Wire& wire) {
    wire.until("\r\n\r\n");
    wire.send("HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 4\r\n\r\nfull");
    wire.rest();
  }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    int given = 0;
    const BodySource endless = [&given]() -> asio::awaitable<Result<std::string>> {
      if (++given > 1) co_await testing::pause(5ms);
      co_return std::string(1000, 'x');
    };
    const auto answer = co_await c.upload(request("POST"), endless, 10s);
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ(answer->status, 507);
  }(client));
}

TEST(R11_5, ABrokenSourceEndsTheCallWithItsOwnError) {
  Home home;
  Peer peer({[](Wire& wire) { wire.rest(); }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    const BodySource broken = []() -> asio::awaitable<Result<std::string>> {
      co_return fail(Code::kNotFound, "file-gone", "The file has gone.");
    };
    const auto answer = co_await c.upload(request("POST"), broken, 10s);
    EXPECT_EQ(answer.error().reason, "file-gone");
  }(client));
}

/// The Engine's way of handing over a connection, over a Unix socket; bytes may come right behind the head.
void expect_raw_stream(const std::string& head) {
  SCOPED_TRACE(head);
  Home home;
  const std::string path = "/tmp/tiltyard-net-test-" + std::to_string(::getpid()) + ".sock";
  Peer peer({[&](Wire& wire) {
              wire.until("\r\n\r\n");
              wire.send(head + "early ");
              const std::string got = wire.rest();
              wire.send("got " + got);
            }},
            path);
  Target target;
  target.unix_path = path;
  Client client(target);
  home([](Client& c) -> Task {
    Request start = request("POST", "/exec/1/start", "{}");
    start.headers.add("Upgrade", "tcp");
    start.headers.add("Connection", "Upgrade");
    auto raw = co_await c.upgrade(start, 5s);
    EXPECT_TRUE(raw.has_value());
    if (!raw) co_return;
    const auto sent = co_await (*raw)->write("input");
    EXPECT_TRUE(sent.has_value());
    (*raw)->shutdown_write();
    std::string all;
    while (true) {
      const auto piece = co_await (*raw)->read();
      EXPECT_TRUE(piece.has_value());
      if (!piece || piece->empty()) break;
      all += *piece;
    }
    EXPECT_EQ(all, "early got {}input");
  }(client));
}

TEST(R11_5, AnUpgradeHandsOverTheConnectionWithWhatWasReadAlready) {
  expect_raw_stream("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  expect_raw_stream("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
}

TEST(R11_5, ARefusedUpgradeSaysWhy) {
  Home home;
  Peer peer({[](Wire& wire) {
    wire.until("\r\n\r\n");
    wire.send("HTTP/1.1 409 Conflict\r\nContent-Length: 11\r\n\r\nnot running");
  }});
  Client client(at(peer.port()));
  home([](Client& c) -> Task {
    const auto raw = co_await c.upgrade(request("POST"), 5s);
    EXPECT_FALSE(raw.has_value());
    if (!raw) {
      EXPECT_EQ(raw.error().reason, "upgrade-refused");
      EXPECT_EQ(raw.error().cause, "not running");
    }
  }(client));
}

TEST(R11_5, ClosingARawStreamEndsItsPendingRead) {
  Home home;
  Peer peer({[](Wire& wire) {
    wire.until("\r\n\r\n");
    wire.send("HTTP/1.1 101 UPGRADED\r\n\r\n");
    wire.rest();
  }});
  Client client(at(peer.port()));
  std::unique_ptr<RawStream> stream;
  home([](Client& c, std::unique_ptr<RawStream>& out) -> Task {
    auto raw = co_await c.upgrade(request("POST"), 5s);
    if (raw) out = std::move(*raw);
  }(client, stream));
  ASSERT_NE(stream, nullptr);
  std::atomic<bool> ended{false};
  std::thread reader([&] {
    home([](RawStream& raw, std::atomic<bool>& done) -> Task {
      const auto piece = co_await raw.read();
      done = !piece.has_value();
    }(*stream, ended));
  });
  home([](RawStream& raw) -> Task {
    co_await testing::pause(20ms);
    raw.close();
  }(*stream));
  reader.join();
  EXPECT_TRUE(ended);
  home([](std::unique_ptr<RawStream>& raw) -> Task {
    raw.reset();
    co_return;
  }(stream));
}

}  // namespace
}  // namespace tiltyard::http
