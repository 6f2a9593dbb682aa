#include "net/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>

#include "net/testing.h"

namespace tiltyard::http {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::Site;
using testing::Wire;
using Clock = std::chrono::steady_clock;

Handler echo() {
  return [](Request request) -> asio::awaitable<Result<Response>> {
    co_return Response::text(200, request.method + " " + request.path + " " + request.body);
  };
}

/// A site with the routes that most tests need.
struct EchoSite : Site {
  explicit EchoSite(ServerOptions options = {}) {
    add("GET", "/echo/{x}", echo());
    add("POST", "/echo", echo(), 1000);
    add("GET", "/api/v1/thing", echo());
    router.set_fallback([](const Request&) { return Response::text(200, "page"); });
    start(std::move(options));
  }
};

const char* const kGet = "GET /echo/1 HTTP/1.1\r\nHost: here\r\n\r\n";

TEST(R10_6, SecurityFieldsAreOnEveryAnswer) {
  EchoSite site;
  const std::string policy =
      "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
      "form-action 'self'; object-src 'none'";
  std::vector<Answer> answers;
  for (const char* path : {"/echo/1", "/page", "/api/v1/thing", "/api/v1/none", "/%00"})
    answers.push_back(site.get(path));
  Wire malformed(site.port());
  malformed.send("nonsense\r\n\r\n");
  answers.push_back(malformed.answer());
  EXPECT_EQ(answers[3].status, 404);
  EXPECT_EQ(answers[4].status, 400);
  EXPECT_EQ(answers[5].status, 400);
  for (const Answer& answer : answers) {
    SCOPED_TRACE(answer.head);
    EXPECT_EQ(answer.field("Content-Security-Policy"), policy);
    EXPECT_EQ(answer.field("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer.field("Referrer-Policy"), "no-referrer");
    EXPECT_EQ(answer.field("Cross-Origin-Opener-Policy"), "same-origin");
    EXPECT_EQ(answer.field("Cross-Origin-Resource-Policy"), "same-origin");
    EXPECT_FALSE(answer.field("Permissions-Policy").empty());
    EXPECT_EQ(answer.field("X-Trace-Id").size(), 32u);
    EXPECT_FALSE(answer.field("Date").empty());
  }
  EXPECT_EQ(answers[2].field("Cache-Control"), "no-store");
  EXPECT_EQ(answers[3].field("Cache-Control"), "no-store");
  EXPECT_EQ(answers[1].field("Cache-Control"), "");
}

TEST(R10_6, AHandlerCannotBeMadeToForgeAField) {
  Site site;
  site.add("GET", "/forge", [](Request request) -> asio::awaitable<Result<Response>> {
    Response response = Response::empty(302);
    response.headers.add("Location", request.query_value("to"));
    co_return response;
  });
  site.start();
  const Answer answer = site.get("/forge?to=/x%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0abody");
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.field("Set-Cookie"), "");
}

TEST(R10_5, TheTraceIdComesBack) {
  EchoSite site;
  const Answer answer = site.get("/echo/1", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n");
  EXPECT_EQ(answer.field("X-Trace-Id"), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(R10_6, MalformedRequestsGetACleanRefusalAndTheServerLives) {
  EchoSite site;
  struct Case {
    std::string text;
    int status;
  };
  const Case cases[] = {
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET "
       "/echo/evil HTTP/1.1\r\n",
       400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\nGET /echo/evil HTTP/1.1\r\n\r\n", 501},
      {"GET /echo/1 HTTP/1.1\r\nHost: x\r\nA: b\r\n fold\r\n\r\n", 400},
      {std::string("GET /echo/1 HTTP/1.1\r\nHost: x\r\nA: b") + '\0' + "\r\n\r\n", 400},
      {"GET /echo/1 HTTP/1.1\r\n\r\n", 400},
      {"GET /echo/1\r\n", 400},
      {"GET /echo/1 \r\n\r\n", 400},
      {"GET\r\nHost: x\r\n\r\n", 400},
      {"GET /echo/1 HTTP/3.0\r\nHost: x\r\n\r\n", 505},
      {"CONNECT here:22 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n", 400},
      {"GET /" + std::string(30'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      {"GET /" + std::string(8'001, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(1'000'000, 'a') + "\r\n\r\n", 431},
      {"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 3\r\n\r\n", 417},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.text.substr(0, 120));
    Wire wire(site.port());
    wire.send(one.text);
    const Answer answer = wire.answer();
    EXPECT_EQ(answer.status, one.status);
    EXPECT_EQ(answer.field("Content-Type"), "application/problem+json");
    EXPECT_EQ(answer.field("Connection"), "close");
    EXPECT_TRUE(wire.ended()) << "what follows must not be answered";
  }
  EXPECT_EQ(site.get("/echo/1").status, 200);
}

TEST(R10_6, ABodyOverTheRoutesLimitIsRefusedBeforeItIsRead) {
  EchoSite site;
  Wire announced(site.port());
  announced.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
  const Answer refused = announced.answer();
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("body-too-large"), std::string::npos);
  announced.half_close();
  EXPECT_TRUE(announced.ended());

  Wire chunked(site.port());
  chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + std::string(1000, 'a') +
               "\r\n1\r\na\r\n");
  EXPECT_EQ(chunked.answer().status, 413);

  Wire fits(site.port());
  fits.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'a'));
  EXPECT_EQ(fits.answer().body, "POST /echo " + std::string(1000, 'a'));
}

TEST(R10_6, AClientThatSendsAHugeBodyAnywayStillReadsTheRefusal) {
  EchoSite site;
  Wire wire(site.port());
  wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 800000\r\n\r\n" + std::string(800'000, 'a'));
  EXPECT_EQ(wire.answer().status, 413);
}

TEST(R10_6, SlowClientsAreLetGo) {
  ServerOptions options;
  options.head_timeout = 200ms;
  options.body_timeout = 200ms;
  options.idle_timeout = 400ms;
  EchoSite site(options);
  const auto began = Clock::now();
  Wire head(site.port()), body(site.port()), silent(site.port());
  head.send("GET /echo/1 HTTP/1.1\r\nHos");
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(head.answer().status, 408);
  EXPECT_EQ(body.answer().status, 408);
  EXPECT_TRUE(silent.ended()) << "a connection that never asked gets no answer";
  EXPECT_LT(Clock::now() - began, 5s);

  // One byte at a time does not win more time.
  Wire dripping(site.port());
  const auto start = Clock::now();
  bool taken = true;
  for (int i = 0; i < 100 && taken && Clock::now() - start < 150ms; ++i) {
    taken = dripping.send(i == 0 ? "GET /" : "a");
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(dripping.answer().status, 408);
  EXPECT_LT(Clock::now() - start, 3s);
  EXPECT_EQ(site.get("/echo/1").status, 200);
}

TEST(R10_6, ConnectionsOverTheLimitAreToldSo) {
  ServerOptions options;
  options.max_connections = 2;
  EchoSite site(options);
  Wire first(site.port()), second(site.port());
  for (Wire* wire : {&first, &second}) {
    wire->send(kGet);
    EXPECT_EQ(wire->answer().status, 200);
  }
  Wire third(site.port());
  third.send(kGet);
  const Answer refused = third.answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("too-many-connections"), std::string::npos);
  third.close();
  first.close();
  EXPECT_TRUE(testing::eventually([&] { return site.get("/echo/1").status == 200; }));
  second.send(kGet);
  EXPECT_EQ(second.answer().status, 200);
}

TEST(R11_5, ConnectionsAreKeptAndPipelinedInOrder) {
  EchoSite site;
  Wire wire(site.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /echo/" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  all += "\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" +
         std::string(kGet);
  wire.send(all);
  for (int i = 0; i < 50; ++i) {
    const Answer answer = wire.answer();
    ASSERT_EQ(answer.body, "GET /echo/" + std::to_string(i) + " ");
    ASSERT_EQ(answer.field("Connection"), "keep-alive");
  }
  EXPECT_EQ(wire.answer().body, "POST /echo abc");
  EXPECT_EQ(wire.answer().body, "GET /echo/1 ");
  wire.send("GET http://there/echo/2?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(wire.answer().body, "GET /echo/2 ");
  EXPECT_TRUE(wire.ended());
}

TEST(R11_5, Http10IsServedAndClosedUnlessItAsksToStay) {
  EchoSite site;
  Wire plain(site.port());
  plain.send("GET /echo/1 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(plain.answer().body, "GET /echo/1 ");
  EXPECT_TRUE(plain.ended());
  Wire staying(site.port());
  for (int i = 0; i < 2; ++i) {
    staying.send("GET /echo/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(staying.answer().body, "GET /echo/1 ");
  }
}

TEST(R11_5, HeadAnswersLikeGetWithoutABody) {
  EchoSite site;
  Wire wire(site.port());
  wire.send("HEAD /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kGet));
  const Answer head = wire.answer(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.field("Content-Length"), "13");
  EXPECT_EQ(wire.answer().body, "GET /echo/1 ");
}

TEST(R11_5, AnExpectedContinueIsSentBeforeTheBody) {
  EchoSite site;
  Wire wire(site.port());
  wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(wire.answer().status, 100);
  wire.send("abc");
  EXPECT_EQ(wire.answer().body, "POST /echo abc");
}

TEST(R11_5, AClientThatHasClosedItsSideStillGetsItsAnswer) {
  Site site;
  site.add("GET", "/slow", [](Request) -> asio::awaitable<Result<Response>> {
    co_await testing::pause(100ms);
    co_return Response::text(200, std::string(300'000, 'x'));
  });
  site.start();
  Wire wire(site.port());
  wire.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  wire.half_close();
  EXPECT_EQ(wire.answer().body.size(), 300'000u);
  EXPECT_TRUE(wire.ended());
}

TEST(R11_5, AStreamComesInPiecesAndTheConnectionGoesOn) {
  Site site;
  site.add("GET", "/stream", [](Request) -> asio::awaitable<Result<Response>> {
    Response response = Response::text(200, "");
    response.stream = [](std::shared_ptr<BodyWriter> out) -> asio::awaitable<void> {
      for (int i = 0; i < 3; ++i) {
        const auto sent = co_await out->write("piece " + std::to_string(i) + "\n");
        EXPECT_TRUE(sent.has_value());
      }
    };
    co_return response;
  });
  site.add("GET", "/breaks", [](Request) -> asio::awaitable<Result<Response>> {
    Response response = Response::text(200, "");
    response.stream = [](std::shared_ptr<BodyWriter> out) -> asio::awaitable<void> {
      const auto sent = co_await out->write("half");
      EXPECT_TRUE(sent.has_value());
      throw std::runtime_error("the source broke");
    };
    co_return response;
  });
  site.start();
  Wire wire(site.port());
  for (int i = 0; i < 2; ++i) {
    wire.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    const Answer answer = wire.answer();
    EXPECT_EQ(answer.field("Transfer-Encoding"), "chunked");
    EXPECT_EQ(answer.body, "piece 0\npiece 1\npiece 2\n");
  }
  wire.send("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(wire.answer(true).status, 200);
  wire.send("GET /breaks HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string broken = wire.rest();
  EXPECT_NE(broken.find("half"), std::string::npos);
  EXPECT_FALSE(broken.ends_with("0\r\n\r\n")) << "a broken stream must not look whole";
  Wire old(site.port());
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.answer().body, "piece 0\npiece 1\npiece 2\n");
}

TEST(R11_5, ASlowReaderHoldsTheStreamBackInsteadOfFillingMemory) {
  constexpr std::size_t kPiece = 64 * 1024, kPieces = 1024;
  std::atomic<std::size_t> written{0};
  Site site;
  site.add("GET", "/much", [&](Request) -> asio::awaitable<Result<Response>> {
    Response response = Response::text(200, "");
    response.stream = [&](std::shared_ptr<BodyWriter> out) -> asio::awaitable<void> {
      for (std::size_t i = 0; i < kPieces; ++i) {
        const auto sent = co_await out->write(std::string(kPiece, 'x'));
        if (!sent) co_return;
        written += kPiece;
      }
    };
    co_return response;
  });
  site.start();
  Wire wire(site.port(), 64 * 1024);
  wire.send("GET /much HTTP/1.1\r\nHost: x\r\n\r\n");
  // Until the stream stands still: nothing more is written for a while.
  std::size_t before = 0;
  ASSERT_TRUE(testing::eventually([&] { return written > 0; }));
  do {
    before = written;
    std::this_thread::sleep_for(200ms);
  } while (written != before);
  EXPECT_LT(before, kPiece * kPieces / 4) << "only what the kernel's buffers hold";
  EXPECT_EQ(wire.answer().body.size(), kPiece * kPieces);
}

TEST(R11_5, AStreamWhoseReaderHasGoneIsStopped) {
  std::promise<void> cancelled;
  Site site;
  site.add("GET", "/events", [&](Request) -> asio::awaitable<Result<Response>> {
    Response response = Response::text(200, "");
    response.stream = [&](std::shared_ptr<BodyWriter> out) -> asio::awaitable<void> {
      struct AtEnd {
        std::promise<void>& done;
        ~AtEnd() { done.set_value(); }
      } at_end{cancelled};
      const auto sent = co_await out->write("first");
      EXPECT_TRUE(sent.has_value());
      co_await testing::hang();
    };
    co_return response;
  });
  site.start();
  {
    Wire wire(site.port());
    wire.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(wire.until("first").find("first"), std::string::npos);
  }
  EXPECT_EQ(cancelled.get_future().wait_for(10s), std::future_status::ready);
}

TEST(R11_5, TheAddressIsTheSockets) {
  Site site;
  site.add("GET", "/from", [](Request request) -> asio::awaitable<Result<Response>> {
    co_return Response::text(200, request.remote_address + (request.secure ? " secure" : " plain"));
  });
  ServerOptions options;
  options.listen = "[::]:0";
  site.start(options);
  EXPECT_EQ(site.get("/from", "X-Forwarded-For: 6.6.6.6\r\n").body, "127.0.0.1 plain");
}

TEST(R11_5, AnAddressInUseIsNamed) {
  EchoSite site;
  Router other(site.loops.home());
  ServerOptions options;
  options.listen = "127.0.0.1:" + std::to_string(site.port());
  Server second(site.loops, other, options);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "address-in-use");
  EXPECT_NE(started.error().message.find(options.listen), std::string::npos);
  for (const char* bad : {"nonsense", "127.0.0.1", "127.0.0.1:99999", "300.0.0.1:80", "127.0.0.1:"}) {
    options.listen = bad;
    Server wrong(site.loops, other, options);
    const auto refused = wrong.start();
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().reason, "invalid-address") << bad;
  }
}

TEST(R11_5, StoppingLetsAnswersFinishWithinTheGrace) {
  std::promise<void> entered;
  Site site;
  site.add("GET", "/slow", [&](Request) -> asio::awaitable<Result<Response>> {
    entered.set_value();
    co_await testing::pause(200ms);
    co_return Response::text(200, "done");
  });
  site.add("GET", "/quick", echo());
  site.start();
  Wire idle(site.port()), busy(site.port());
  idle.send("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(idle.answer().status, 200);
  busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.get_future().wait();
  const auto port = site.port();
  const auto began = Clock::now();
  site.stop(8s);
  EXPECT_LT(Clock::now() - began, 5s) << "it need not wait for the grace's end";
  const Answer answer = busy.answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_TRUE(idle.ended());
  EXPECT_THROW(Wire{port}, std::runtime_error);
}

TEST(R11_5, StoppingCutsWhatHangsWhenTheGraceIsOver) {
  std::promise<void> entered, left;
  Site site;
  site.add("GET", "/hangs", [&](Request) -> asio::awaitable<Result<Response>> {
    struct AtEnd {
      std::promise<void>& done;
      ~AtEnd() { done.set_value(); }
    } at_end{left};
    entered.set_value();
    co_await testing::hang();
    co_return Response::empty(204);
  });
  std::promise<void> streaming;
  site.add("GET", "/events", [&](Request) -> asio::awaitable<Result<Response>> {
    Response response;
    response.headers.add("Content-Type", "text/event-stream");
    response.stream = [&](std::shared_ptr<BodyWriter>) -> asio::awaitable<void> {
      streaming.set_value();
      co_await testing::hang();
    };
    co_return response;
  });
  site.start();
  Wire hanging(site.port()), events(site.port()), half(site.port());
  hanging.send("GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n");
  events.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  half.send("GET /hal");
  entered.get_future().wait();
  streaming.get_future().wait();
  const auto began = Clock::now();
  site.stop(300ms);
  const auto took = Clock::now() - began;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 3s);
  EXPECT_EQ(left.get_future().wait_for(0s), std::future_status::ready) << "the handler is told, and ended";
  EXPECT_EQ(hanging.answer().status, 0);
  EXPECT_TRUE(half.ended());
}

}  // namespace
}  // namespace tiltyard::http
