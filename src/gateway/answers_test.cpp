// What machines answer that is not as it should be, and what players get of it.
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

class R2_2_Own : public GatewayTest {};
class R2_1_Answers : public GatewayTest {
 protected:
  /// What the player gets when the machine says `bytes` and closes.
  Peer::Answer answer_to(std::string bytes) {
    Machine machine([&](Peer& peer) {
      if (!peer.read_head().empty()) peer.send(bytes);
    });
    publish_http("one", machine.port());
    auto peer = client();
    peer.send(get("one.t.test"));
    auto answer = peer.read_answer();
    peer.close();
    withdraw("one");
    return answer;
  }
};

TEST_F(R2_1_Answers, WhatABrowserReadsPasses) {
  for (std::string bytes : {"HTTP/1.0 200\n\nbody", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\nbody",
                            "\r\nHTTP/1.1  200  OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n4  \r\nbody\r\n0\r\n",
                            "HTTP/1.1 200 OK\r\nPHP Warning\r\nContent-Length: 4\r\n\r\nbody and more"}) {
    const auto answer = answer_to(bytes);
    EXPECT_EQ(answer.status, 200) << bytes;
    EXPECT_EQ(answer.body, "body") << bytes;
  }
  EXPECT_EQ(answer_to("HTTP/1.0 404 Gone home\nX: y").head.substr(0, 22), "HTTP/1.1 404 Gone home");
}

TEST_F(R2_1_Answers, WhatIsNoAnswerIsSaidAtOnce) {
  // It stays open and says nothing more.
  Machine banner([](Peer& peer) {
    peer.send("SSH-2.0-OpenSSH_9.2");
    peer.read_all();
  });
  publish_http("one", banner.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  const auto answer = peer.read_answer();
  EXPECT_EQ(answer.status, 502);
  EXPECT_TRUE(answer.body.contains("The first line is not one of HTTP.")) << answer.body;
  EXPECT_TRUE(
      answer_to("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'a')).body.contains("head of its answer is too long"));
  std::string flood;
  for (int i = 0; i < 300; ++i) flood += "HTTP/1.1 100 Continue\r\n\r\n";
  Machine endless([&](Peer& machine) {
    machine.read_head();
    while (machine.send(flood)) {}
  });
  publish_http("two", endless.port());
  auto other = client();
  ASSERT_TRUE(other.send("GET / HTTP/1.0\r\nHost: two.t.test\r\n\r\n"));
  EXPECT_TRUE(other.read_answer().body.contains("interim answers without end"));
}

TEST_F(R2_1_Answers, WhatComesBehindA204IsNoAnswer) {
  std::atomic<int> asked = 0;
  Machine machine([&](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (++asked == 1) peer.send("HTTP/1.1 204 No Content\r\nContent-Length: 29\r\n\r\nHTTP/1.1 200 OK\r\n");
      else peer.send(ok("next"));
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test") + get("one.t.test")));
  EXPECT_EQ(peer.read_answer().status, 204);
  EXPECT_EQ(peer.read_answer().body, "next");
  EXPECT_EQ(machine.connections(), 2u);
}

TEST_F(R2_2_Own, WhatProvesANameIsAnsweredOnAnyHostBeforeItsMachine) {
  Machine machine(always("of the machine"));
  publish_http("i1", machine.port());
  const std::string path = "/.well-known/acme-challenge/token-1";
  run(gateway_->answer_itself({{path, "token-1.thumbprint"}}));
  for (const auto* host : {"i1.t.test", "elsewhere.example", "elsewhere.example:5002"}) {
    auto asked = client();
    ASSERT_TRUE(asked.send(get(host, path)));
    const auto answer = asked.read_answer();
    EXPECT_EQ(answer.status, 200) << host;
    EXPECT_EQ(answer.body, "token-1.thumbprint") << host;
    ASSERT_TRUE(asked.send(get("i1.t.test", "/.well-known/acme-challenge/token-2")));
    EXPECT_EQ(asked.read_answer().body, "of the machine")
        << "another one may be the machine's own, and the connection stays";
  }
  run(gateway_->answer_itself({}));
  auto later = client();
  ASSERT_TRUE(later.send(get("i1.t.test", path)));
  EXPECT_EQ(later.read_answer().body, "of the machine");
}

}  // namespace
}  // namespace tiltyard::gateway::testing
