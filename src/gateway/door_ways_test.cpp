// Whose door it is, over real sockets: the way there by the page and back, WebSockets, raw TCP.
#include <boost/asio/ip/address.hpp>

#include "gateway/doors.h"
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

constexpr std::string_view kBrowser = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n";

class R2_4_Doors : public GatewayTest {
 protected:
  R2_4_Doors() {
    DoorKey key{5, {}};
    key.secret.fill(9);
    home(gateway_->doors().use({key}));
    home(gateway_->doors().send_visitors_to("http://page.test"));
  }
  void home(asio::awaitable<void> work) { asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get(); }
  std::uint16_t publish(Door door, EndpointKind kind, std::uint16_t machine_port, const std::string& id = "one") {
    for (int i = 0; i < 20; ++i) {
      const auto port = owns_port(kind) ? free_port() : std::uint16_t{0};
      Route route{kind, "web", {id}, port, "127.0.0.1", machine_port};
      route.door = door;
      if (run(gateway_->publish(InstanceId(id), {route}, "zoe"))) return port;
    }
    ADD_FAILURE() << "not published";
    return 0;
  }
  std::string mint(Pass::Kind kind, std::string_view host = "one.t.test", std::string_view id = "one") {
    const auto work = [](Doors& doors, Pass pass, DoorPlace place) -> asio::awaitable<std::string> {
      co_return doors.mint(pass, place);
    };
    return run(work(gateway_->doors(), {kind, party_of("zoe"), 0, 0, 3600}, {id, host}));
  }
  Peer::Answer ask(std::string_view host, std::string_view path, std::string_view fields) {
    auto peer = client();
    EXPECT_TRUE(peer.send(get(host, path, fields)));
    return peer.read_answer();
  }
};

TEST_F(R2_4_Doors, ABrowserGoesByThePageAndComesBack) {
  std::atomic<int> asked = 0;
  std::string seen;
  std::mutex mutex;
  Machine machine([&](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      ++asked;
      {
        const std::lock_guard lock(mutex);
        seen = head;
      }
      if (!peer.send(ok("inside"))) return;
    }
  });
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  auto away = ask("one.t.test", "/a/b?c=d%20e", kBrowser);
  EXPECT_EQ(away.status, 303);
  EXPECT_EQ(field_of(away.head, "Location"), "http://page.test/api/v1/door?host=one.t.test&to=%2Fa%2Fb%3Fc%3Dd%2520e");
  EXPECT_EQ(field_of(away.head, "Cache-Control"), "no-store");

  const auto grant = mint(Pass::Kind::kGrant);
  auto back = ask("ONE.t.test.", "/.tiltyard/door/" + grant + "/a/b?c=d%20e", kBrowser);
  EXPECT_EQ(back.status, 303);
  EXPECT_EQ(field_of(back.head, "Location"), "/a/b?c=d%20e");
  EXPECT_EQ(field_of(back.head, "Referrer-Policy"), "no-referrer");
  const auto set = field_of(back.head, "Set-Cookie");
  ASSERT_TRUE(set.starts_with("tiltyard-door=")) << set;
  EXPECT_TRUE(set.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax")) << set;
  const auto cookie = "Cookie: mine=1; " + set.substr(0, set.find(';')) + "\r\n";
  EXPECT_EQ(asked, 0);

  auto in = ask("one.t.test", "/", cookie);
  EXPECT_EQ(in.status, 200);
  EXPECT_EQ(in.body, "inside");
  EXPECT_EQ(field_of(seen, "Cookie"), "mine=1");
  EXPECT_EQ(asked, 1);

  // The grant was good once; the cookie is of this host; and what is the gateway's never reaches the machine.
  auto again = ask("one.t.test", "/.tiltyard/door/" + grant + "/", kBrowser);
  EXPECT_EQ(again.status, 403);
  EXPECT_EQ(field_of(again.head, "Set-Cookie"), "");
  publish(Door::kOwner, EndpointKind::kHttp, machine.port(), "two");
  EXPECT_EQ(ask("two.t.test", "/", cookie).status, 401);
  EXPECT_EQ(ask("one.t.test", "/.tiltyard/other", cookie).status, 404);
  EXPECT_EQ(asked, 1);
}

TEST_F(R2_4_Doors, AGrantOfAnotherPlaceOpensNothing) {
  Machine machine(always("inside"));
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  publish(Door::kOwner, EndpointKind::kHttp, machine.port(), "two");
  for (const auto& grant :
       {mint(Pass::Kind::kGrant, "two.t.test", "two"), mint(Pass::Kind::kGrant, "one.t.test", "two"),
        mint(Pass::Kind::kGrant, "two.t.test", "one"), mint(Pass::Kind::kToken), std::string(kPassText, 'a'),
        std::string("x")}) {
    auto answer = ask("one.t.test", "/.tiltyard/door/" + grant + "/x", kBrowser);
    EXPECT_EQ(answer.status, 403) << grant;
    EXPECT_EQ(field_of(answer.head, "Set-Cookie"), "");
    EXPECT_TRUE(answer.body.contains("http://page.test/api/v1/door?host=one.t.test&amp;to=%2Fx")) << answer.body;
  }
  // Only a visit uses a grant up, not a look ahead.
  const auto grant = mint(Pass::Kind::kGrant);
  auto peer = client();
  ASSERT_TRUE(peer.send("HEAD /.tiltyard/door/" + grant + "/ HTTP/1.1\r\nHost: one.t.test\r\n\r\n"));
  EXPECT_EQ(peer.read_answer(true).status, 403);
  EXPECT_EQ(ask("one.t.test", "/.tiltyard/door/" + grant + "/", kBrowser).status, 303);
}

TEST_F(R2_4_Doors, TheWayBackStaysOnThisHost) {
  Machine machine(always("inside"));
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  for (const std::string path : {"//evil.test/", "/\\evil.test/"}) {
    auto answer = ask("one.t.test", "/.tiltyard/door/" + mint(Pass::Kind::kGrant) + path, kBrowser);
    EXPECT_EQ(answer.status, 303);
    EXPECT_EQ(field_of(answer.head, "Location"), "/." + path);
  }
}

TEST_F(R2_4_Doors, ProgramsAreToldInsteadOfSent) {
  Machine machine(always("inside"));
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  auto plain = ask("one.t.test", "/deep", "");
  EXPECT_EQ(plain.status, 401);
  EXPECT_TRUE(plain.body.contains("http://page.test/api/v1/door?host=one.t.test&to=%2F")) << plain.body;
  EXPECT_NE(field_of(plain.head, "WWW-Authenticate"), "");
  auto json = ask("one.t.test", "/deep", "Accept: application/json\r\n");
  EXPECT_EQ(json.status, 401);
  EXPECT_TRUE(json.body.contains("\"open\":\"http://page.test/api/v1/door?host=one.t.test&to=%2F\"")) << json.body;
  // A script in a page must not be led to another origin.
  EXPECT_EQ(ask("one.t.test", "/", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n").status, 401);
  auto peer = client();
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nAccept: text/html\r\nContent-Length: 2\r\n\r\nhi"));
  EXPECT_EQ(peer.read_answer().status, 401);
  // A token does for programs what the cookie does for browsers.
  const auto token = mint(Pass::Kind::kToken, "");
  EXPECT_EQ(ask("one.t.test", "/", "Cookie: tiltyard-door=" + token + "\r\n").body, "inside");
  EXPECT_EQ(ask("one.t.test", "/.tiltyard/door/closed/x", kBrowser).status, 403);
}

TEST_F(R2_4_Doors, AWebSocketIsOpenedWithTheCookieAloneAndEndsWithTheRight) {
  Machine machine([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
    peer.read_all();
  });
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
      "dGhlIHNhbXBsZSBub25jZQ==\r\n";
  EXPECT_EQ(ask("one.t.test", "/", upgrade + std::string(kBrowser)).status, 401);
  EXPECT_EQ(machine.connections(), 0U);
  auto peer = client();
  ASSERT_TRUE(
      peer.send(get("one.t.test", "/", upgrade + "Cookie: tiltyard-door=" + mint(Pass::Kind::kCookie) + "\r\n")));
  EXPECT_TRUE(peer.read_head().starts_with("HTTP/1.1 101"));
  EXPECT_EQ(peer.read_exactly(5), "hello");
  home(gateway_->doors().revoke(party_of("zoe")));
  EXPECT_TRUE(peer.closed_within(20s) && peer.was_reset());
}

TEST_F(R2_4_Doors, NoOtherInstancesPageOpensAWebSocketWithTheCookie) {
  Machine machine([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    peer.read_all();
  });
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  publish(Door::kOpen, EndpointKind::kHttp, machine.port(), "two");
  run(gateway_->name("www.example.org", InstanceId("one"), "web"));
  const auto opens = [&](Pass::Kind kind, const std::string& origin) {
    auto peer = client();
    const auto pass = mint(kind, kind == Pass::Kind::kToken ? "" : "one.t.test");
    EXPECT_TRUE(peer.send(get("one.t.test", "/",
                              "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " +
                                  origin + "\r\nCookie: tiltyard-door=" + pass + "\r\n")));
    return peer.read_head().substr(9, 3);
  };
  for (const std::string origin : {"http://two.t.test:8080", "https://evil.test", "null", "http://page.test"})
    EXPECT_EQ(opens(Pass::Kind::kCookie, origin), "401") << origin;
  EXPECT_EQ(machine.connections(), 0U);
  for (const std::string origin : {"http://one.t.test:8080", "https://ONE.t.test", "http://www.example.org"})
    EXPECT_EQ(opens(Pass::Kind::kCookie, origin), "101") << origin;
  EXPECT_EQ(opens(Pass::Kind::kToken, "https://evil.test"), "101") << "no browser has a token in the cookie's place";
}

TEST_F(R2_4_Doors, ARevokedCookieIsSentAnewAndANewOneCounts) {
  Machine machine(always("inside"));
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  const auto fields = [this] { return "Cookie: tiltyard-door=" + mint(Pass::Kind::kCookie) + "\r\n"; };
  const auto before = fields();
  EXPECT_EQ(ask("one.t.test", "/", before).status, 200);
  home(gateway_->doors().revoke(party_of("zoe")));
  EXPECT_EQ(ask("one.t.test", "/", before).status, 401);
  const auto after = fields();
  EXPECT_EQ(ask("one.t.test", "/", after).status, 200);
  home(gateway_->doors().revoke(0));
  EXPECT_EQ(ask("one.t.test", "/", after).status, 401);
}

TEST_F(R2_4_Doors, EveryNameOfAnEndpointHasItsDoor) {
  Machine machine(always("inside"));
  run(gateway_->name("www.example.org", InstanceId("one"), "web"));
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  EXPECT_EQ(ask("www.example.org", "/", "").status, 401);
  EXPECT_EQ(ask("www.example.org", "/", "Cookie: tiltyard-door=" + mint(Pass::Kind::kCookie) + "\r\n").status, 401);
  const auto own = mint(Pass::Kind::kCookie, "www.example.org");
  EXPECT_EQ(ask("www.example.org", "/", "Cookie: tiltyard-door=" + own + "\r\n").body, "inside");
  EXPECT_EQ(run(gateway_->doors().at("www.example.org")), InstanceId("one"));
}

TEST_F(R2_4_Doors, TheRangeDecidesWhereNobodySaid) {
  Machine machine(always("inside"));
  publish(Door::kUnsaid, EndpointKind::kHttp, machine.port());
  EXPECT_EQ(ask("one.t.test", "/", "").status, 200);
  auto options = small_options();
  options.owner_only = true;
  restart(options);
  publish(Door::kUnsaid, EndpointKind::kHttp, machine.port());
  EXPECT_EQ(ask("one.t.test", "/", "").status, 401);
  EXPECT_EQ(ask("one.t.test", "/", kBrowser).status, 401);  // no page is known yet: nobody is sent anywhere
  publish(Door::kOpen, EndpointKind::kHttp, machine.port(), "two");
  EXPECT_EQ(ask("two.t.test", "/", "").status, 200);
  EXPECT_EQ(run(gateway_->doors().at("two.t.test")), InstanceId("two"));
  EXPECT_EQ(run(gateway_->doors().at("three.t.test")), std::nullopt);
}

Machine::Serve parrot() {
  return [](Peer& peer) {
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) {
      if (!peer.send(bytes)) return;
    }
  };
}

TEST_F(R2_4_Doors, PlainNcAnswersThePrompt) {
  Machine machine(parrot());
  const auto port = publish(Door::kOwner, EndpointKind::kTcp, machine.port());
  const auto token = mint(Pass::Kind::kToken, "");
  for (const std::string end : {"\n", "\r\n", " \n"}) {
    auto peer = Peer::connect(port);
    constexpr std::string_view kQuestion = "This is its owner's alone. Token: ";
    EXPECT_EQ(peer.read_exactly(kQuestion.size()), kQuestion);
    // What comes with the token is the machine's.
    ASSERT_TRUE(peer.send(token + end + "hello\n"));
    EXPECT_EQ(peer.read_exactly(6), "hello\n");
    ASSERT_TRUE(peer.send("again\n"));
    EXPECT_EQ(peer.read_exactly(6), "again\n");
  }
  auto open = Peer::connect(port);
  ASSERT_TRUE(open.send(token + "\nx"));
  open.read_exactly(34);
  EXPECT_EQ(open.read_exactly(1), "x");
  home(gateway_->doors().revoke(party_of("zoe")));
  EXPECT_TRUE(open.closed_within(20s) && open.was_reset());
}

TEST_F(R2_4_Doors, WrongTokensAreFewAndReachNobody) {
  Machine machine(parrot());
  const auto port = publish(Door::kPrompt, EndpointKind::kTcp, machine.port());
  // Three within one minute of the clock: where it turns over, they are counted anew.
  int refused = 0, asked = 0;
  for (int i = 0; i < 8 && refused == 0; ++i) {
    auto peer = Peer::connect(port);
    ASSERT_TRUE(peer.send(i == 0 ? std::string(200, 'x') : "guess\n"));
    const auto said = peer.read_all();
    (said.contains("Too many") ? refused : asked) += 1;
  }
  EXPECT_EQ(refused, 1);
  EXPECT_GE(asked, 3);
  EXPECT_EQ(machine.connections(), 0U);
}

TEST_F(R2_4_Doors, TheOwnersAddressOpensRawTcp) {
  Machine machine(parrot());
  const auto port = publish(Door::kAddress, EndpointKind::kTcp, machine.port());
  auto stranger = Peer::connect(port);
  EXPECT_TRUE(stranger.closed_within(20s) && stranger.was_reset());
  home(gateway_->doors().know("zoe", asio::ip::make_address("127.0.0.1"), {party_of("zoe"), 0, 0, 3'600'000}));
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("hello\n"));
  EXPECT_EQ(peer.read_exactly(6), "hello\n");
  auto elsewhere = Peer::connect(port, 2);
  EXPECT_TRUE(elsewhere.closed_within(20s) && elsewhere.was_reset());
  // Of a prompt the address is no answer.
  const auto strict = publish(Door::kPrompt, EndpointKind::kTcp, machine.port(), "two");
  auto asked = Peer::connect(strict);
  EXPECT_EQ(asked.read_exactly(4), "This");
  home(gateway_->doors().revoke(party_of("zoe")));
  EXPECT_TRUE(peer.closed_within(20s) && peer.was_reset());
  auto late = Peer::connect(port);
  EXPECT_TRUE(late.closed_within(20s) && late.was_reset());
}

TEST_F(R2_4_Doors, AGuestsAddressOpensTheOneInstanceThatIsShared) {
  Machine machine(parrot());
  const auto port = publish(Door::kAddress, EndpointKind::kTcp, machine.port());
  const auto another = publish(Door::kAddress, EndpointKind::kTcp, machine.port(), "two");
  home(gateway_->doors().know("one", asio::ip::make_address("127.0.0.1"),
                              {party_of("ben"), party_of("share"), 0, 3'600'000}));
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("hello\n"));
  EXPECT_EQ(peer.read_exactly(6), "hello\n");
  auto elsewhere = Peer::connect(another);
  EXPECT_TRUE(elsewhere.closed_within(20s) && elsewhere.was_reset()) << "of the same owner, and not shared";
  home(gateway_->doors().revoke(party_of("share")));
  EXPECT_TRUE(peer.closed_within(20s) && peer.was_reset());
  auto late = Peer::connect(port);
  EXPECT_TRUE(late.closed_within(20s) && late.was_reset());
}

TEST_F(R2_4_Doors, ADoorThatCloses) {
  Machine machine(parrot());
  const auto port = publish(Door::kOpen, EndpointKind::kTcp, machine.port());
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("hello\n"));
  EXPECT_EQ(peer.read_exactly(6), "hello\n");
  Route route{EndpointKind::kTcp, "web", {"one"}, port, "127.0.0.1", machine.port()};
  route.door = Door::kOpen;
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route}, "zoe")));
  ASSERT_TRUE(peer.send("again\n"));
  EXPECT_EQ(peer.read_exactly(6), "again\n");
  route.door = Door::kOwner;
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route}, "zoe")));
  EXPECT_TRUE(peer.closed_within(20s) && peer.was_reset()) << "whoever came through the open door has shown nothing";
}

TEST_F(R2_4_Doors, StrangersWakeNothing) {
  Machine machine(always("inside"));
  publish(Door::kOwner, EndpointKind::kHttp, machine.port());
  std::atomic<int> woken = 0;
  gateway_->on_wake([&](InstanceId) -> asio::awaitable<Result<>> {
    ++woken;
    co_return Result<>{};
  });
  ASSERT_TRUE(run(gateway_->set_asleep(InstanceId("one"), true)));
  EXPECT_EQ(ask("one.t.test", "/", "").status, 401);
  EXPECT_EQ(ask("one.t.test", "/", kBrowser).status, 303);
  EXPECT_EQ(woken, 0);
  EXPECT_EQ(gateway_->traffic(InstanceId("one"))->connections, 0U);
  EXPECT_EQ(ask("one.t.test", "/", "Cookie: tiltyard-door=" + mint(Pass::Kind::kCookie) + "\r\n").status, 200);
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace tiltyard::gateway::testing
