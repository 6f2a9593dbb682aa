// What one client may take of the server: bodies before it is known, memory, connections.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <new>

#include "net/server.h"
#include "net/testing.h"

namespace tiltyard::http {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::eventually;
using testing::Site;
using testing::Wire;

constexpr std::size_t kMiB = 1 << 20;

/// From another address of this machine.
Wire from(const char* address, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &at.sin_addr);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) throw std::runtime_error("no such address");
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) throw std::runtime_error("no connection");
  return Wire(fd);
}

std::string post(std::string_view path, std::size_t length, const std::string& fields = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(length) + "\r\n" +
         fields + "\r\n";
}

Handler size_of_body() {
  return [](Request request) -> asio::awaitable<Result<Response>> {
    co_return Response::text(200, std::to_string(request.body.size()));
  };
}

/// Whoever says a name is known by it; "/closed" is for those only.
struct Guarded : Site {
  explicit Guarded(ServerOptions options = {}) {
    add("POST", "/open", size_of_body(), 4 * kMiB);
    add("POST", "/closed", size_of_body(), 4 * kMiB);
    add("POST", "/off", size_of_body(), 4 * kMiB).takes = [](const Request&) -> Result<std::size_t> {
      return fail(Code::kNotFound, "off", "There is no such thing.");
    };
    add("POST", "/by-name", size_of_body(), 4 * kMiB).body_first = true;
    add("GET", "/large", [](Request) -> asio::awaitable<Result<Response>> {
      co_return Response::text(200, std::string(2 * kMiB, 'x'));
    });
    add("GET", "/events", [](Request) -> asio::awaitable<Result<Response>> {
      Response response = Response::text(200, "");
      response.stream = [](std::shared_ptr<BodyWriter> out) -> asio::awaitable<void> {
        co_await out->write("begun");
        co_await testing::hang();
      };
      co_return response;
    });
    add("GET", "/talk", [this](Request) -> asio::awaitable<Result<Response>> {
      Response response;
      response.websocket = [this](std::shared_ptr<WebSocket> socket) -> asio::awaitable<void> {
        const auto said = co_await socket->write({true, std::string(2 * kMiB, 'x')});
        if (!said && said.error().reason == "too-much-at-once") ++refused;
      };
      co_return response;
    });
    add("GET", "/x", size_of_body());
    router.set_filter([this](Request& request, const Route& route) -> asio::awaitable<Result<>> {
      ++asked;
      if (const auto name = request.headers.get("Name"); !name.empty()) request.principal = std::string(name);
      else if (route.pattern == "/closed") co_return fail(Code::kUnauthenticated, "who", "Say your name.");
      if (request.headers.has("Late")) request.principal.reset();
      if (route.body_first) EXPECT_EQ(request.body.size(), 20'000u);
      co_return Result<>{};
    });
    Callers callers;
    callers.user = [](const std::any& principal) {
      const auto* name = std::any_cast<std::string>(&principal);
      return name ? std::string_view(*name) : std::string_view();
    };
    callers.proxy = [this](const asio::ip::address&) {
      if (out_of_memory > 0 && out_of_memory-- > 0) throw std::bad_alloc();
      return behind_proxy.load();
    };
    callers.address = [](const Request& request) -> std::optional<asio::ip::address> {
      return asio::ip::make_address(std::string(request.headers.get("From")));
    };
    router.set_callers(std::move(callers));
    start(std::move(options));
  }
  std::atomic<int> asked{0}, refused{0};
  std::atomic<bool> behind_proxy{false};
  std::atomic<int> out_of_memory{0};  ///< so many connections more
};

TEST(R10_6, WhoItIsAndWhetherTheyMayIsAskedBeforeTheBody) {
  Guarded site;
  Wire stranger(site.port());
  stranger.send(post("/closed", 3 * kMiB));
  EXPECT_EQ(stranger.answer().status, 401) << "without a byte of the body";
  Wire off(site.port());
  off.send(post("/off", 3 * kMiB, "Name: ann\r\n"));
  EXPECT_EQ(off.answer().status, 404) << "what is off takes no body";
  Wire known(site.port());
  known.send(post("/closed", 3 * kMiB, "Name: ann\r\n") + std::string(3 * kMiB, 'a'));
  EXPECT_EQ(known.answer().body, std::to_string(3 * kMiB));
  EXPECT_EQ(site.asked, 3) << "once for each";
  known.send(post("/closed", 3, "Name: ann\r\n") + "abc");
  EXPECT_EQ(known.answer().body, "3") << "and the connection goes on";
}

TEST(R10_6, WhomNobodyKnowsMaySendLittle) {
  Guarded site;
  Wire told(site.port());
  told.send(post("/open", kStrangersBody + 1));
  EXPECT_EQ(told.answer().status, 413);
  Wire chunked(site.port());
  chunked.send("POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n18000\r\n" +
               std::string(0x18000, 'a') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.answer().status, 413);
  Wire fits(site.port());
  fits.send(post("/open", kStrangersBody) + std::string(kStrangersBody, 'a'));
  EXPECT_EQ(fits.answer().body, std::to_string(kStrangersBody));
  Wire known(site.port());
  known.send(post("/open", kStrangersBody + 1, "Name: ann\r\n") + std::string(kStrangersBody + 1, 'a'));
  EXPECT_EQ(known.answer().body, std::to_string(kStrangersBody + 1));
}

TEST(R10_6, WhereALimitCountsByWhatIsInTheBodyTheBodyComesFirst) {
  Guarded site;
  Wire wire(site.port());
  wire.send(post("/by-name", 20'000));
  wire.send(std::string(20'000, 'a'));
  EXPECT_EQ(wire.answer().body, "20000");
  EXPECT_EQ(site.asked, 1);
}

ServerOptions with_budget(std::size_t all, std::size_t each_address, std::size_t each_user) {
  ServerOptions options;
  options.budget = std::make_shared<net::Budget>(net::BudgetOptions{all, each_address, each_user});
  return options;
}

ServerOptions with_budget(std::size_t all, std::size_t each) { return with_budget(all, each, each); }

TEST(R10_6, BodiesThatNeverEndTakeNoMoreThanTheirShareOfMemory) {
  const auto options = with_budget(32 * kMiB, 8 * kMiB);
  Guarded site(options);
  std::vector<Wire> slow;
  std::size_t refused = 0;
  // Of what strangers may have together one address gets a quarter: a megabyte, in pieces of 64 KiB less the first 16.
  for (int i = 0; i < 40; ++i) {
    auto& wire = slow.emplace_back(site.port());
    wire.send(post("/open", kStrangersBody) + std::string(kStrangersBody - 1, 'a'));
  }
  EXPECT_TRUE(eventually([&] { return options.budget->used() >= kMiB / 2; }));
  EXPECT_LE(options.budget->used(), kMiB);
  Wire other = from("127.0.0.2", site.port());
  other.send(post("/open", kStrangersBody) + std::string(kStrangersBody, 'a'));
  EXPECT_EQ(other.answer().status, 200) << "others are served as before";
  for (auto& wire : slow) {
    wire.send("a");
    const Answer answer = wire.answer();
    refused += answer.status == 429;
    EXPECT_TRUE(answer.status == 200 || answer.status == 429) << answer.head;
    if (answer.status == 429) EXPECT_FALSE(answer.field("Retry-After").empty());
  }
  EXPECT_GE(refused, 15u);
  slow.clear();
  EXPECT_TRUE(eventually([&] { return options.budget->used() == 0; }));
}

TEST(R10_6, AnswersThatNobodyReadsTakeNoMoreThanTheirShareOfMemory) {
  const auto options = with_budget(16 * kMiB, 5 * kMiB);
  Guarded site(options);
  std::vector<Wire> slow;
  for (int i = 0; i < 2; ++i) {
    slow.emplace_back(site.port(), 4096).send("GET /large HTTP/1.1\r\nHost: x\r\nName: ann\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return options.budget->used() > (2 * i + 1) * kMiB; }));
  }
  EXPECT_EQ(site.get("/large").status, 429) << "over the address's share";
  Wire elsewhere = from("127.0.0.2", site.port());
  elsewhere.send("GET /large HTTP/1.1\r\nHost: x\r\nName: ann\r\n\r\n");
  EXPECT_EQ(elsewhere.answer().status, 429) << "over the user's";
  Wire other = from("127.0.0.2", site.port());
  other.send("GET /large HTTP/1.1\r\nHost: x\r\nName: ben\r\n\r\n");
  EXPECT_EQ(other.answer().status, 200);
  slow.clear();
  EXPECT_TRUE(eventually([&] { return options.budget->used() == 0; }));
}

TEST(R10_6, MessagesThatNobodyReadsCountForTheirUser) {
  const auto options = with_budget(64 * kMiB, 32 * kMiB, 3 * kMiB);
  Guarded site(options);
  const auto open = [&site](Wire& wire, std::string_view name) {
    wire.send(
        "GET /talk HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nName: " +
        std::string(name) + "\r\n\r\n");
    return wire.until("\r\n\r\n").substr(9, 3);
  };
  Wire slow(site.port(), 4096);
  EXPECT_EQ(open(slow, "ann"), "101");
  EXPECT_TRUE(eventually([&] { return options.budget->used() > kMiB; })) << "a large message is on its way";
  Wire second(site.port(), 4096), other(site.port());
  EXPECT_EQ(open(second, "ann"), "101");
  EXPECT_TRUE(eventually([&] { return site.refused == 1; })) << "over the user's share";
  EXPECT_EQ(open(other, "ben"), "101");
  EXPECT_EQ(other.exactly(3 * kMiB / 2).size(), 3 * kMiB / 2);
  EXPECT_EQ(site.refused, 1);
}

TEST(R10_6, AnAddressHasAShareOfTheConnections) {
  ServerOptions options;
  options.connections_per_address = 3;
  Guarded site(options);
  std::vector<Wire> mine;
  for (int i = 0; i < 3; ++i) {
    auto& wire = mine.emplace_back(site.port());
    wire.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(wire.answer().status, 200);
  }
  const Answer refused = site.get("/x");
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.body.find("too-many-connections"), std::string::npos);
  Wire other = from("127.0.0.2", site.port());
  other.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(other.answer().status, 200);
}

TEST(R10_6, AsRoomGetsShortWhoIsIdleGoesFirst) {
  ServerOptions options;
  options.connections_per_address = 4;
  Guarded site(options);
  std::vector<Wire> idle;
  for (int i = 0; i < 4; ++i) idle.emplace_back(site.port()).send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  for (auto& wire : idle) EXPECT_EQ(wire.answer().status, 200);
  // They may stay for 75 s where there is room; somebody new is let in far sooner.
  EXPECT_TRUE(eventually([&] { return site.get("/x").status == 200; }));
}

TEST(R10_6, AUserHasSoManyStreamsFromEverywhere) {
  ServerOptions options;
  options.streams_per_user = 2;
  Guarded site(options);
  const auto open = [](Wire& wire, std::string_view name) {
    wire.send("GET /events HTTP/1.1\r\nHost: x\r\nName: " + std::string(name) + "\r\n\r\n");
    return wire.until("\r\n\r\n").substr(9, 3);
  };
  std::vector<Wire> held;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(open(held.emplace_back(site.port()), "ann"), "200");
  Wire third = from("127.0.0.2", site.port());
  EXPECT_EQ(open(third, "ann"), "429");
  Wire other(site.port());
  EXPECT_EQ(open(other, "ben"), "200");
  held.pop_back();
  EXPECT_TRUE(eventually([&] {
    Wire again(site.port());
    return open(again, "ann") == "200";
  }));
}

TEST(R10_6, AcceptingGoesOnAfterWhatRanOut) {
  Guarded site;
  site.out_of_memory = 5;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Wire(site.port()).ended()) << "nothing is left for it";
  for (int i = 0; i < 8; ++i) EXPECT_EQ(site.get("/x").status, 200) << "on every loop";
}

TEST(R10_6, BehindAProxyRequestsCountForWhomItNames) {
  ServerOptions options;
  options.connections_per_address = 1;
  Guarded site(options);
  site.behind_proxy = true;
  Wire one(site.port()), two(site.port()), three(site.port());
  one.send(post("/open", 20'000, "From: 10.0.0.1\r\n"));
  EXPECT_TRUE(eventually([&] { return site.asked == 1; }));
  two.send("GET /x HTTP/1.1\r\nHost: x\r\nFrom: 10.0.0.1\r\n\r\n");
  EXPECT_EQ(two.answer().status, 429) << "one of its requests is under way";
  three.send("GET /x HTTP/1.1\r\nHost: x\r\nFrom: 10.0.0.2\r\n\r\n");
  EXPECT_EQ(three.answer().status, 200) << "from the same proxy, for somebody else";
  one.send(std::string(20'000, 'a'));
  EXPECT_EQ(one.answer().status, 200);
  Wire again(site.port());
  again.send("GET /x HTTP/1.1\r\nHost: x\r\nFrom: 10.0.0.1\r\n\r\n");
  EXPECT_EQ(again.answer().status, 200);
}

}  // namespace
}  // namespace tiltyard::http
