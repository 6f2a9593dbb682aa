// Which requests go over a connection to the machine that has been used before.
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

using R2_1_Reuse = GatewayTest;

constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: one.t.test\r\nContent-Length: 1\r\n\r\nx";

TEST_F(R2_1_Reuse, AStaleConnectionIsReplacedOnceForSafeRequests) {
  // Each connection serves one request, and closes only when the next one has come on it.
  std::atomic<int> served = 0;
  Machine machine([&](Peer& peer) {
    if (peer.read_head().empty()) return;
    ++served;
    peer.send(ok("x"));
    peer.read_head();
  });
  publish_http("one", machine.port());
  auto peer = client();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(peer.send(get("one.t.test")));
    EXPECT_EQ(peer.read_answer().status, 200) << i;
  }
  EXPECT_EQ(machine.connections(), 3u);
  // What may be sent only once gets a connection of its own from such a machine.
  EXPECT_TRUE(eventually([&] { return peer.send(kPost) && peer.read_answer().status == 200; }));
}

TEST_F(R2_1_Reuse, APostIsNeverSentTwice) {
  std::atomic<int> seen = 0;
  Machine machine([&](Peer& peer) {
    while (!peer.read_head().empty() && ++seen == 1) peer.send(ok("x"));
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test") + std::string(kPost)));
  EXPECT_EQ(peer.read_answer().status, 200);
  EXPECT_EQ(peer.read_answer().status, 502) << "it may have had its effect";
  EXPECT_EQ(seen, 2);
}

TEST_F(R2_1_Reuse, APostGetsNoConnectionThatTheMachineMayJustBeClosing) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("POST")) peer.read_exactly(1);
      peer.send(ok("x"));
    }
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test") + get("one.t.test")));
  EXPECT_EQ(peer.read_answer().status, 200);
  EXPECT_EQ(peer.read_answer().status, 200);
  EXPECT_EQ(machine.connections(), 1u);
  std::this_thread::sleep_for(150ms);  // at the least: a machine might close what is idle for so long
  ASSERT_TRUE(peer.send(kPost));
  EXPECT_EQ(peer.read_answer().status, 200);
  EXPECT_EQ(machine.connections(), 2u);
}

TEST_F(R2_1_Reuse, WhatIsIdleIsClosedBeforeTheMachineDoes) {
  std::atomic<int> ended = 0;
  Machine machine([&](Peer& peer) {
    while (!peer.read_head().empty()) peer.send(ok("x"));
    ++ended;
  });
  publish_http("one", machine.port());
  auto peer = client();
  const auto before = std::chrono::steady_clock::now();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().status, 200);
  ASSERT_TRUE(eventually([&] { return ended == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1400ms) << "and not at once";
}

TEST_F(R2_1_Reuse, AConnectionThatTheMachineClosedIsNotUsedForAPost) {
  std::atomic<int> closed = 0;
  Machine machine([&](Peer& peer) {
    peer.read_head();
    peer.read_exactly(1);
    peer.send(ok("x"));  // and closes without having said that it would
    peer.finish_writing();
    ++closed;
  });
  publish_http("one", machine.port());
  auto peer = client();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: one.t.test\r\nContent-Length: 1\r\n\r\nx"));
    EXPECT_EQ(peer.read_answer().status, 200);
    ASSERT_TRUE(eventually([&] { return closed > i; }));
  }
}

}  // namespace
}  // namespace tiltyard::gateway::testing
