#include "gateway/meter.h"

#include <gtest/gtest.h>

#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

TEST(R2_3_Meter, NoMoreConnectionsThanMayBe) {
  Meter meter({0, 2, 0});
  const auto now = Clock::now();
  EXPECT_TRUE(meter.enter(now));
  EXPECT_TRUE(meter.enter(now));
  EXPECT_FALSE(meter.enter(now));
  meter.leave();
  EXPECT_TRUE(meter.enter(now));
  EXPECT_FALSE(meter.enter(now));
}

TEST(R2_3_Meter, ASecondsWorthMayComeAtOnceAndThenTheyComeInTurn) {
  Meter meter({0, 0, 4});
  const auto now = Clock::now();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(meter.enter(now)) << i;
  EXPECT_FALSE(meter.enter(now));
  EXPECT_FALSE(meter.enter(now + 249ms));
  EXPECT_TRUE(meter.enter(now + 251ms));
  EXPECT_FALSE(meter.enter(now + 251ms));
  EXPECT_TRUE(meter.enter(now + 1h));
}

TEST(R2_3_Meter, BytesThatWereMovedAreWaitedFor) {
  Meter meter({1000, 0, 0});
  const auto now = Clock::now();
  EXPECT_LE(meter.free_at(), now);
  meter.spend(250, now);
  EXPECT_LE(meter.free_at(), now) << "a quarter of a second's may come at once";
  meter.spend(1000, now);
  EXPECT_EQ(meter.free_at(), now + 1s);
  meter.spend(500, now + 1h);
  EXPECT_EQ(meter.free_at(), now + 1h + 250ms) << "a debt is no older than that";
  Meter free({0, 1, 1});
  free.spend(1 << 30, now);
  EXPECT_LE(free.free_at(), now);
}

class R2_3_Limited : public GatewayTest {
 protected:
  explicit R2_3_Limited(Limits endpoint = {0, 1, 0}, Limits owner = {}) : GatewayTest(limited(endpoint, owner)) {}

  static Options limited(Limits endpoint, Limits owner) {
    auto options = small_options();
    options.endpoint_limits = endpoint;
    options.owner_limits = owner;
    return options;
  }
};

Machine::Serve says(std::size_t size) {
  return [size](Peer& peer) {
    peer.send(std::string(size, 'x'));
    peer.finish_writing();
    peer.read_all();
  };
}

TEST_F(R2_3_Limited, OneConnectionAtATimeOfAnEndpoint) {
  Machine machine([](Peer& peer) {
    peer.send("$ ");
    peer.read_all();
  });
  const auto port = publish_tcp("one", machine.port()), other = publish_tcp("two", machine.port());
  auto first = Peer::connect(port);
  ASSERT_EQ(first.read_exactly(2), "$ ");
  auto second = Peer::connect(port);
  EXPECT_TRUE(second.closed_within(20s) && second.was_reset());
  EXPECT_EQ(Peer::connect(other).read_exactly(2), "$ ") << "another endpoint has its own";
  first.close();
  EXPECT_TRUE(eventually([&] { return Peer::connect(port).read_exactly(2) == "$ "; }));
}

TEST_F(R2_3_Limited, ABrowserIsToldAndAnotherMayComeWhenTheFirstHasGone) {
  Machine machine(always("hello"));
  publish_http("one", machine.port());
  auto first = client();
  ASSERT_TRUE(first.send(get("one.t.test")));
  ASSERT_EQ(first.read_answer().status, 200);
  auto second = client();
  ASSERT_TRUE(second.send(get("one.t.test")));
  EXPECT_EQ(second.read_answer().status, 503);
  ASSERT_TRUE(first.send(get("one.t.test")));
  EXPECT_EQ(first.read_answer().status, 200) << "the same connection counts once";
  first.close();
  EXPECT_TRUE(eventually([&] {
    auto next = client();
    return next.send(get("one.t.test")) && next.read_answer().status == 200;
  }));
}

class R2_3_Slow : public R2_3_Limited {
 protected:
  R2_3_Slow() : R2_3_Limited({}, {4 << 20, 0, 0}) {}
};

TEST_F(R2_3_Slow, AllOfAnOwnersInstancesShareItsBandwidth) {
  constexpr std::size_t kSize = 3 << 20;
  Machine machine(says(kSize));
  const auto one = publish_tcp("one", machine.port(), "red"), two = publish_tcp("two", machine.port(), "red");
  const auto begun = std::chrono::steady_clock::now();
  for (const auto port : {one, two}) {
    auto peer = Peer::connect(port);
    peer.finish_writing();
    EXPECT_EQ(peer.read_all().size(), kSize) << "it comes whole, however slowly";
  }
  // The second waits for what the first has moved, but for a quarter of a second's.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 450ms);
}

TEST_F(R2_3_Slow, APageComesWholeAndSlowly) {
  constexpr std::size_t kSize = 4 << 20;
  Machine machine(always(std::string(kSize, 'p')));
  publish_http("one", machine.port(), "red");
  auto peer = client();
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(peer.send(get("one.t.test")));
    EXPECT_EQ(peer.read_answer().body.size(), kSize);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 700ms);
}

}  // namespace
}  // namespace tiltyard::gateway::testing
