#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

using R2_1_Http = GatewayTest;

TEST_F(R2_1_Http, RequestsGoToTheInstanceThatTheHostNames) {
  Machine one(always("one")), two(always("two"));
  publish_http("one", one.port());
  publish_http("two", two.port());
  auto peer = client();
  for (auto [host, body] : {std::pair{"one.t.test", "one"},
                            {"TWO.T.Test:8080", "two"},
                            {"web--one.t.test", "one"},
                            {"one.t.test.", "one"},
                            {"two.t.test", "two"}}) {
    ASSERT_TRUE(peer.send(get(host)));
    auto answer = peer.read_answer();
    EXPECT_EQ(answer.status, 200) << host;
    EXPECT_EQ(answer.body, body) << host;
  }
  EXPECT_EQ(one.connections(), 1u) << "the machine's connection is used again";
}

TEST_F(R2_1_Http, TheMachineSeesWhatItShould) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    seen = peer.read_head();
    peer.send(
        ok("x",
           "Keep-Alive: timeout=5\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nServer: s\r\nTrailer: t\r\n"));
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(
      peer.send("GET /p?q HTTP/1.1\r\nHost: one.t.test\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nTE: gzip\r\n"
                "X-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\n\r\n"));
  auto answer = peer.read_answer();
  EXPECT_EQ(seen,
            "GET /p?q HTTP/1.1\r\nHost: one.t.test\r\nCookie: a=b\r\nX-Forwarded-For: 6.6.6.6, 127.0.0.1\r\nX-Real-IP: "
            "127.0.0.1\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: one.t.test\r\n"
            "Forwarded: for=127.0.0.1;host=\"one.t.test\";proto=http\r\nVia: 1.1 tiltyard\r\n\r\n");
  EXPECT_EQ(answer.head, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nServer: s\r\n\r\n");
}

TEST_F(R2_1_Http, AMachineIsCalledWhatItsTemplateSays) {
  std::string location;
  Machine machine([&](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const auto said = field_of(head, "Host") + " " + field_of(head, "X-Forwarded-Host");
      peer.send("HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: " + std::to_string(said.size()) +
                "\r\n\r\n" + said);
    }
  });
  Route route{EndpointKind::kHttp, "web", {"one"}, 0, "127.0.0.1", machine.port(), "localhost"};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route})));
  const auto own = "http://localhost:" + std::to_string(machine.port()) + "/x?y";
  auto peer = client();
  for (const auto& [said, passed] : std::vector<std::pair<std::string, std::string>>{
           {"http://localhost/x", "/x"},
           {"https://LOCALHOST/", "/"},
           {"//localhost", "/"},
           {"http://localhost?q", "/?q"},
           {own, "/x?y"},
           {"http://localhost//evil.example/", "/.//evil.example/"},
           {"http://localhost:1/", "http://localhost:1/"},
           {"http://localhost.evil.example/", "http://localhost.evil.example/"},
           {"/back?to=http://localhost/", "/back?to=http://localhost/"},
           {"ftp://localhost/", "ftp://localhost/"}}) {
    location = said;
    ASSERT_TRUE(peer.send(get("one.t.test:8443")));
    const auto answer = peer.read_answer();
    EXPECT_EQ(answer.body, "localhost one.t.test:8443");
    EXPECT_EQ(field_of(answer.head, "Location"), passed) << said;
    EXPECT_EQ(count_of(answer.head, "Location"), 1u);
  }
}

TEST_F(R2_1_Http, PagesOfAMachineThatIsCalledOtherwiseAreItsOwn) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    for (seen = peer.read_head(); !seen.empty(); seen = peer.read_head()) peer.send(ok("x"));
  });
  Route route{EndpointKind::kHttp, "web", {"one"}, 0, "127.0.0.1", machine.port(), "localhost:3000"};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {route})));
  auto peer = client();
  for (const auto& [field, said, passed] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"Origin", "https://one.t.test:8443", "https://localhost:3000"},
           {"Referer", "http://ONE.t.test:8443/a?b", "http://localhost:3000/a?b"},
           {"Origin", "https://evil.example", "https://evil.example"},
           {"Origin", "https://one.t.test:84430", "https://one.t.test:84430"},
           {"Origin", "https://one.t.test:8443.evil.example", "https://one.t.test:8443.evil.example"},
           {"Referer", "https://one.t.test/", "https://one.t.test/"},
           {"Origin", "null", "null"}}) {
    ASSERT_TRUE(peer.send(get("one.t.test:8443", "/", field + ": " + said + "\r\n")));
    const auto answer = peer.read_answer();
    EXPECT_EQ(answer.status, 200);
    const auto head = seen;
    EXPECT_EQ(field_of(head, field), passed) << said;
    EXPECT_EQ(count_of(head, field + ":"), 1u);
  }
}

TEST_F(R2_1_Http, CookiesAreTheirOwnHostsAlone) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      peer.send(ok("x", head.contains("/plain")
                            ? "Set-Cookie: a=1; Path=/\r\nX-After: 1\r\n"
                            : "Set-Cookie: sid=; Domain=t.test; Max-Age=0\r\nX-Between: 1\r\n"
                              "set-cookie: sid=new;path=/;DOMAIN = .t.test ;HttpOnly\r\nSet-Cookie: b=Domain=x\r\n"
                              "Set-Cookie: c=1;domain\r\n"));
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().head,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Between: 1\r\nSet-Cookie: sid=; Max-Age=0\r\n"
            "set-cookie: sid=new;path=/;HttpOnly\r\nSet-Cookie: b=Domain=x\r\nSet-Cookie: c=1\r\n\r\n");
  ASSERT_TRUE(peer.send(get("one.t.test", "/plain")));
  EXPECT_EQ(peer.read_answer().head,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: a=1; Path=/\r\nX-After: 1\r\n\r\n");
}

TEST_F(R2_1_Http, PipelinedRequestsAreAnsweredInOrder) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      auto slash = head.find('/');
      auto path = head.substr(slash, head.find(' ', slash) - slash);
      auto length = field_of(head, "Content-Length");
      auto body = peer.read_exactly(length.empty() ? 0 : std::stoul(length));
      peer.send(ok(path + body));
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: one.t.test\r\nContent-Length: 3\r\n\r\nabc";
    all += get("one.t.test", "/g" + std::to_string(i));
  }
  ASSERT_TRUE(peer.send(all));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(peer.read_answer().body, "/" + std::to_string(i) + "abc");
    EXPECT_EQ(peer.read_answer().body, "/g" + std::to_string(i));
  }
}

TEST_F(R2_1_Http, SmuggledRequestsNeverReachTheMachine) {
  std::atomic<int> requests = 0;
  Machine machine([&](Peer& peer) {
    while (!peer.read_head().empty()) {
      ++requests;
      peer.send(ok("x"));
    }
  });
  publish_http("one", machine.port());
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: one.t.test\r\n\r\n";
  const std::string start = "POST / HTTP/1.1\r\nHost: one.t.test\r\n";
  for (std::string fields : {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                             "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
                             "Content-Length: 0\r\nContent-Length: 44\r\n\r\n", "Transfer-Encoding: xchunked\r\n\r\n",
                             "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                             "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                             "X: y\rTransfer-Encoding: chunked\r\n\r\n", "X: y\nContent-Length: 3\r\n\r\n",
                             "Host: other\r\n\r\n", "Content-Length: 1e1\r\n\r\n"}) {
    auto peer = client();
    ASSERT_TRUE(peer.send(start + fields + hidden));
    auto answer = peer.read_answer();
    EXPECT_GE(answer.status, 400) << fields;
    EXPECT_LT(answer.status, 502) << fields;
    EXPECT_EQ(field_of(answer.head, "Connection"), "close") << fields;
    EXPECT_EQ(peer.read_all(), "") << "one answer, then the end: " << fields;
  }
  EXPECT_EQ(requests, 0);
}

TEST_F(R2_1_Http, ABrokenChunkEndsTheConnection) {
  std::string got;
  std::atomic<bool> over = false;
  Machine machine([&](Peer& peer) {
    got = peer.read_all();
    over = true;
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(
      peer.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n"
                "GET /hidden HTTP/1.1\r\nHost: one.t.test\r\n\r\n"));
  EXPECT_EQ(peer.read_answer().status, 400);
  EXPECT_TRUE(eventually([&] { return over.load() || machine.connections() == 0; }));
  EXPECT_EQ(count_of(got, "hidden"), 0u);
}

TEST_F(R2_1_Http, TooMuchHeadIsRefused) {
  Machine machine(always("x"));
  publish_http("one", machine.port());
  auto peer = client();
  peer.send("GET / HTTP/1.1\r\nHost: one.t.test\r\nX: " + std::string(40 * 1024, 'a') + "\r\n\r\n");
  EXPECT_EQ(peer.read_answer().status, 431);
  auto other = client();
  other.send("GET /" + std::string(20 * 1024, 'a') + " HTTP/1.1\r\nHost: one.t.test\r\n\r\n");
  EXPECT_EQ(other.read_answer().status, 200) << "20 KB are within the limit of 32";
}

TEST_F(R2_1_Http, AnswersWithoutBodiesAreOver) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("HEAD")) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
      else if (head.starts_with("GET /304")) peer.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n");
      else if (head.starts_with("GET /204")) peer.send("HTTP/1.1 204 No Content\r\n\r\n");
      else peer.send(ok("body"));
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send("HEAD / HTTP/1.1\r\nHost: one.t.test\r\n\r\n" + get("one.t.test", "/304") +
                        get("one.t.test", "/204") + get("one.t.test")));
  auto head = peer.read_answer(true);
  EXPECT_EQ(field_of(head.head, "Content-Length"), "1000");
  EXPECT_EQ(peer.read_answer().status, 304);
  EXPECT_EQ(peer.read_answer().status, 204);
  EXPECT_EQ(peer.read_answer().body, "body");
  EXPECT_EQ(machine.connections(), 1u);
}

TEST_F(R2_1_Http, ChunkedBodiesPassBothWaysAndTrailersStay) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      seen = head + peer.read_exactly(5 + 5 + 5);
      peer.send(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: "
          "y\r\n\r\n");
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhel"));
    ASSERT_TRUE(peer.send("lo\r\n0\r\nX-Late: 1\r\n\r\n"));
    auto answer = peer.read_answer();
    EXPECT_EQ(answer.body, "abcde");
    EXPECT_EQ(count_of(answer.head, "Trailer"), 0u);
    EXPECT_TRUE(seen.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n")) << seen;
    EXPECT_EQ(count_of(seen, "Transfer-Encoding: chunked"), 1u);
  }
  EXPECT_EQ(machine.connections(), 1u);
}

TEST_F(R2_1_Http, OldClientsGetPlainBodies) {
  Machine machine([&](Peer& peer) {
    while (!peer.read_head().empty())
      peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send("GET / HTTP/1.0\r\nHost: one.t.test\r\n\r\n"));
  auto head = peer.read_head();
  EXPECT_EQ(field_of(head, "Connection"), "close");
  EXPECT_EQ(count_of(head, "Transfer-Encoding"), 0u);
  EXPECT_EQ(peer.read_all(), "abcde");
}

TEST_F(R2_1_Http, ABodyUntilCloseEndsTheConnection) {
  Machine machine([&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it");
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(field_of(peer.read_head(), "Connection"), "close");
  EXPECT_EQ(peer.read_all(), "all of it");
  EXPECT_FALSE(peer.was_reset());
}

TEST_F(R2_1_Http, ATruncatedAnswerIsNotMadeToLookWhole) {
  Machine machine([&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  peer.read_head();
  EXPECT_EQ(count_of(peer.read_all(), "0\r\n\r\n"), 0u);
  EXPECT_TRUE(peer.was_reset());
}

TEST_F(R2_1_Http, InterimAnswersPassAndExpectIsPassedOn) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    seen = peer.read_head();
    peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    peer.send("HTTP/1.1 100 Continue\r\n\r\n");
    peer.send(ok(peer.read_exactly(5)));
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(peer.read_head(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  EXPECT_EQ(peer.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(field_of(seen, "Expect"), "100-continue");
  ASSERT_TRUE(peer.send("hello"));
  EXPECT_EQ(peer.read_answer().body, "hello");
}

TEST_F(R2_1_Http, AnEarlyAnswerIsSeenAlthoughTheBodyGoesOn) {
  Machine machine([&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nContent-Length: 100000000\r\n\r\n"));
  std::thread sender([&] {
    std::string block(100'000, 'x');
    for (int i = 0; i < 20 && peer.send(block); ++i) {}
  });
  auto answer = peer.read_answer();
  sender.join();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "no");
}

TEST_F(R2_1_Http, EventsArriveAtOnce) {
  std::atomic<int> allowed = 0;
  Machine machine([&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      if (!eventually([&] { return allowed > i; })) return;
      peer.send("9\r\ndata: " + std::to_string(i) + "\n\n\r\n");
    }
    peer.send("0\r\n\r\n");
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(field_of(peer.read_head(), "Content-Type"), "text/event-stream");
  for (int i = 0; i < 3; ++i) {  // each is sent only when the one before has been seen
    ++allowed;
    EXPECT_EQ(peer.read_exactly(14), "9\r\ndata: " + std::to_string(i) + "\n\n\r\n");
  }
  EXPECT_EQ(peer.read_exactly(5), "0\r\n\r\n");
}

TEST_F(R2_1_Http, WebSocketsAreTunnelled) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    seen = peer.read_head();
    peer.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        "x\r\n\r\nfirst");
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) peer.send("<" + bytes + ">");
    peer.send("bye");
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(
      peer.send("GET /ws HTTP/1.1\r\nHost: one.t.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n"));
  auto head = peer.read_head();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
  EXPECT_EQ(field_of(head, "Upgrade"), "websocket");
  EXPECT_EQ(field_of(head, "Connection"), "Upgrade");
  EXPECT_EQ(field_of(head, "Sec-WebSocket-Accept"), "x");
  EXPECT_EQ(field_of(seen, "Upgrade"), "websocket");
  EXPECT_EQ(field_of(seen, "Connection"), "Upgrade");
  EXPECT_EQ(field_of(seen, "Sec-WebSocket-Key"), "k");
  EXPECT_EQ(peer.read_exactly(5), "first");
  ASSERT_TRUE(peer.send("ping"));
  EXPECT_EQ(peer.read_exactly(6), "<ping>");
  peer.finish_writing();
  EXPECT_EQ(peer.read_all(), "bye");
}

TEST_F(R2_1_Http, OtherUpgradesAreNot) {
  std::string seen;
  Machine machine([&](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      seen = head;
      peer.send(head.starts_with("GET /force")
                    ? "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
                    : ok("plain"));
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(
      get("one.t.test", "/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")));
  EXPECT_EQ(peer.read_answer().body, "plain");
  EXPECT_EQ(count_of(seen, "h2c"), 0u);
  EXPECT_EQ(count_of(seen, "HTTP2-Settings"), 0u);
  ASSERT_TRUE(peer.send(get("one.t.test", "/force")));
  EXPECT_EQ(peer.read_answer().status, 502);
}

TEST_F(R2_1_Http, AClientThatLeavesCutsTheMachineOff) {
  std::atomic<bool> cut = false;
  std::atomic<bool> asked = false;
  Machine machine([&](Peer& peer) {
    peer.read_head();
    asked = true;
    cut = peer.closed_within(9s);
  });
  publish_http("one", machine.port());
  {
    auto peer = client();
    peer.send(get("one.t.test"));
    ASSERT_TRUE(eventually([&] { return asked.load(); }));
    peer.reset();
  }
  EXPECT_TRUE(eventually([&] { return cut.load(); }));
  // Only its direction closed (as `nc -N` does): the answer still has a few seconds.
  asked = cut = false;
  Machine slow([&](Peer& peer) {
    peer.read_head();
    std::this_thread::sleep_for(300ms);
    peer.send(ok("late"));
  });
  publish_http("two", slow.port());
  auto half = client();
  half.send(get("two.t.test"));
  half.finish_writing();
  EXPECT_EQ(half.read_answer().body, "late");
}

TEST_F(R2_1_Http, PagesSayWhatIsWrong) {
  publish_http("gone", free_port());
  Machine odd([](Peer& peer) {
    peer.read_head();
    peer.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  });
  publish_http("odd", odd.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("nothing.t.test", "/", "Accept: text/html,*/*;q=0.8\r\n")));
  auto unknown = peer.read_answer();
  EXPECT_EQ(unknown.status, 404);
  EXPECT_NE(unknown.body.find("nothing.t.test"), std::string::npos);
  EXPECT_NE(unknown.body.find("<!doctype html>"), std::string::npos);
  EXPECT_NE(unknown.body.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_EQ(count_of(unknown.body, "http://") + count_of(unknown.body, "src="), 0u) << "nothing from outside";
  ASSERT_TRUE(peer.send(get("nothing.t.test", "/", "Accept: */*\r\n")));
  auto text = peer.read_answer();
  EXPECT_EQ(field_of(text.head, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(text.body.starts_with("404 Nothing runs under this name\n")) << text.body;
  ASSERT_TRUE(peer.send(get("nothing.t.test", "/", "Accept: application/json\r\n")));
  auto problem = peer.read_answer();
  EXPECT_EQ(field_of(problem.head, "Content-Type"), "application/problem+json");
  EXPECT_NE(problem.body.find("\"type\":\"urn:tiltyard:error:instance-unknown\""), std::string::npos);
  EXPECT_NE(problem.body.find("\"status\":404"), std::string::npos);
  ASSERT_TRUE(peer.send(get("t.test")));
  EXPECT_EQ(peer.read_answer().status, 200);
  ASSERT_TRUE(peer.send(get("gone.t.test")));
  EXPECT_EQ(peer.read_answer().status, 502);
  ASSERT_TRUE(peer.send(get("odd.t.test")));
  EXPECT_EQ(peer.read_answer().status, 502);
  ASSERT_TRUE(peer.send(get("xt.test")));
  EXPECT_EQ(peer.read_answer().status, 404);
  ASSERT_TRUE(peer.send("HEAD / HTTP/1.1\r\nHost: t.test\r\n\r\n" + get("127.0.0.1")));
  EXPECT_EQ(peer.read_answer(true).status, 200);
  EXPECT_EQ(peer.read_answer().status, 404) << "still the same connection";
  ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: nothing.t.test\r\nContent-Length: 5\r\n\r\nhello"));
  auto refused = peer.read_answer();
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(field_of(refused.head, "Connection"), "close") << "its body was not read";
  EXPECT_EQ(peer.read_all(), "");
}

TEST_F(R2_1_Http, WhoTypesARequestIsToldHow) {
  auto peer = client();
  ASSERT_TRUE(peer.send("GET / HTTP/1.0\nHost: one.t.test\n\n"));
  const auto answer = peer.read_answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(field_of(answer.head, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(
      answer.body.starts_with("400 This request cannot be passed on\nA line of the head does not end with CR LF; "
                              "with netcat, nc -C sends such lines.\n"))
      << answer.body;
  EXPECT_LT(answer.body.size(), 300u);
  auto browser = client();
  ASSERT_TRUE(browser.send("GET / HTTP/1.1\r\nAccept: text/html\r\nX: " + std::string(40 * 1024, 'a') + "\r\n\r\n"));
  const auto page = browser.read_answer();
  EXPECT_EQ(page.status, 431);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>")) << page.body;
}

class Hurried : public GatewayTest {
 protected:
  static Options hurry() {
    auto options = small_options();
    options.head_timeout = 300ms;
    options.idle_timeout = 600ms;
    options.answer_timeout = 400ms;
    options.max_connections_per_instance = 2;
    options.max_connections = 4;
    return options;
  }
  Hurried() : GatewayTest(hurry(), 1) {}
};
using R2_1_Limits = Hurried;

TEST_F(R2_1_Limits, SlowHeadsEnd) {
  Machine machine(always("x"));
  publish_http("one", machine.port());
  auto silent = client();
  auto slow = client();
  auto begin = std::chrono::steady_clock::now();
  std::string head = get("one.t.test");
  for (char c : head) {
    if (!slow.send({&c, 1})) break;
    std::this_thread::sleep_for(20ms);  // 20 ms a byte would take the head more than half a second
  }
  EXPECT_EQ(slow.read_answer().status, 408);
  EXPECT_TRUE(silent.closed_within(1s));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST_F(R2_1_Limits, AMachineThatThinksTooLongIsGivenUp) {
  Machine machine([](Peer& peer) {
    peer.read_head();
    peer.closed_within(5s);
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().status, 504);
}

TEST_F(R2_1_Limits, IdleConnectionsEnd) {
  Machine machine(always("x"));
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().body, "x");
  EXPECT_FALSE(peer.closed_within(400ms));
  EXPECT_TRUE(peer.closed_within(1s));
}

TEST_F(R2_1_Limits, TooManyConnectionsGetAnAnswer) {
  Machine machine(always("x"));
  publish_http("one", machine.port());
  auto first = client(), second = client(), third = client();
  for (auto* peer : {&first, &second}) {
    ASSERT_TRUE(peer->send(get("one.t.test")));
    EXPECT_EQ(peer->read_answer().status, 200);
  }
  ASSERT_TRUE(third.send(get("one.t.test")));
  EXPECT_EQ(third.read_answer().status, 503);
  auto fourth = client();
  ASSERT_TRUE(fourth.send(get("t.test")));
  EXPECT_EQ(fourth.read_answer().status, 200);
  auto fifth = client();
  EXPECT_EQ(fifth.read_answer().status, 503) << "over the gateway's own limit";
}

}  // namespace
}  // namespace tiltyard::gateway::testing
