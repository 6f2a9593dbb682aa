// Instances that sleep: who is held, what wakes them, and what becomes of those who wait in vain.

#include "base/parallel.h"
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

const InstanceId kOne("one");

/// A gateway whose wakes a test counts, answers and holds back.
class Sleepy : public GatewayTest {
 protected:
  static Options patient() {
    auto options = small_options();
    options.wake_timeout = 20s;
    options.max_held_per_instance = 8;
    return options;
  }

  explicit Sleepy(Options options = patient())
      : GatewayTest(options), may_answer_(std::make_shared<Signal>(loops_.home())) {
    may_answer_->set();
    gateway_->on_wake([this](InstanceId instance) { return answer(std::move(instance)); });
  }
  ~Sleepy() override { release(); }

  asio::awaitable<Result<>> answer(InstanceId) {
    ++wakes_;
    const auto may_answer = may_answer_;
    co_await may_answer->wait();
    if (fails_) co_return fail(Code::kUnavailable, "engine-away", "The engine is away.");
    co_return Result<>{};
  }

  void sleep() { ASSERT_TRUE(run(gateway_->set_asleep(kOne, true))); }
  void hold_back() { run(turn(false)); }
  void release() { run(turn(true)); }
  asio::awaitable<void> turn(bool open) {
    if (open) may_answer_->set();
    else may_answer_->reset();
    co_return;
  }
  std::uint64_t waiting() const { return gateway_->traffic(kOne)->waiting; }

  std::shared_ptr<Signal> may_answer_;
  std::atomic<int> wakes_ = 0;
  std::atomic<bool> fails_ = false;
};

Machine::Serve echo() {
  return [](Peer& peer) {
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) {
      if (!peer.send(bytes)) return;
    }
  };
}

class Impatient : public Sleepy {
 protected:
  static Options soon() {
    auto options = patient();
    options.wake_timeout = 1s;
    return options;
  }
  Impatient() : Sleepy(soon()) {}
};

using R1_15_Gateway = Sleepy;
using R1_15_Impatient = Impatient;

TEST_F(R1_15_Gateway, ARequestWakesTheInstanceAndIsAnswered) {
  Machine machine(always("hello"));
  publish_http("one", machine.port());
  sleep();
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().body, "hello");
  EXPECT_EQ(wakes_, 1);
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().body, "hello");
  EXPECT_EQ(wakes_, 1) << "it is awake now";
}

TEST_F(R1_15_Gateway, NothingReachesTheMachineBeforeItIsAwakeAndOneWakeServesAll) {
  Machine web(always("hello"));
  Machine shell(echo());
  auto port = free_port();
  Route http{EndpointKind::kHttp, "web", {"one"}, 0, "127.0.0.1", web.port()};
  Route tcp{EndpointKind::kTcp, "pwn", {}, port, "127.0.0.1", shell.port()};
  ASSERT_TRUE(run(gateway_->publish(kOne, {http, tcp})));
  hold_back();
  sleep();
  std::vector<Peer> askers, talkers;
  for (int i = 0; i < 4; ++i) {
    askers.push_back(client());
    ASSERT_TRUE(askers.back().send(get("one.t.test")));
    talkers.push_back(Peer::connect(port));
    ASSERT_TRUE(talkers.back().send("ping"));
  }
  ASSERT_TRUE(eventually([&] { return waiting() >= 8; }));
  EXPECT_EQ(web.connections() + shell.connections(), 0u);
  ASSERT_TRUE(eventually([&] { return wakes_ > 0; })) << "the wake is asked for on another loop";
  EXPECT_EQ(wakes_, 1);
  release();
  for (auto& peer : askers) EXPECT_EQ(peer.read_answer().body, "hello");
  for (auto& peer : talkers) EXPECT_EQ(peer.read_exactly(4), "ping");
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(R1_15_Gateway, AWakeThatFailsIsSaidAndTriedAgainByTheNext) {
  Machine machine(always("hello"));
  publish_http("one", machine.port());
  auto shell = publish_tcp("two", machine.port());
  sleep();
  ASSERT_TRUE(run(gateway_->set_asleep(InstanceId("two"), true)));
  fails_ = true;
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test", "/", "Accept: application/json\r\n")));
  auto refused = peer.read_answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("instance-asleep"), std::string::npos) << refused.body;
  auto raw = Peer::connect(shell);
  EXPECT_TRUE(raw.closed_within(5s));
  EXPECT_EQ(machine.connections(), 0u);
  fails_ = false;
  ASSERT_TRUE(peer.send(get("one.t.test"))) << "the connection itself is kept";
  EXPECT_EQ(peer.read_answer().body, "hello");
}

TEST_F(R1_15_Impatient, AWakeThatNeverAnswersEndsAfterItsTime) {
  Machine machine(always("hello"));
  publish_http("one", machine.port());
  hold_back();
  sleep();
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().status, 503);
  EXPECT_EQ(waiting(), 0u);
  // The answer that came too late serves those who ask later.
  auto late = client();
  ASSERT_TRUE(late.send(get("one.t.test")));
  ASSERT_TRUE(eventually([&] { return waiting() > 0; }));
  release();
  EXPECT_EQ(late.read_answer().body, "hello");
  EXPECT_EQ(wakes_, 1);
}

TEST_F(R1_15_Gateway, WhoLeavesWhileHeldLeavesNothing) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  hold_back();
  sleep();
  {
    auto raw = Peer::connect(port);
    ASSERT_TRUE(raw.send("x"));
    ASSERT_TRUE(eventually([&] { return waiting() == 1; }));
    raw.reset();
  }
  EXPECT_TRUE(eventually([&] { return waiting() == 0 && gateway_->traffic(kOne)->open == 0; }));
  release();
  EXPECT_EQ(machine.connections(), 0u);
}

TEST_F(R1_15_Gateway, AtMostSoManyAreHeld) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  hold_back();
  sleep();
  std::vector<Peer> peers;
  for (int i = 0; i < 8; ++i) peers.push_back(Peer::connect(port));
  ASSERT_TRUE(eventually([&] { return waiting() == 8; }));
  auto ninth = Peer::connect(port);
  EXPECT_TRUE(ninth.closed_within(5s));
  release();
  for (auto& peer : peers) {
    ASSERT_TRUE(peer.send("x"));
    EXPECT_EQ(peer.read_exactly(1), "x");
  }
}

TEST_F(R1_15_Gateway, WithdrawalEndsThoseWhoWait) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  hold_back();
  sleep();
  auto raw = Peer::connect(port);
  ASSERT_TRUE(eventually([&] { return waiting() == 1; }));
  withdraw("one");
  EXPECT_TRUE(raw.closed_within(5s));
  release();
}

TEST_F(R1_15_Gateway, BytesOnAnOpenConnectionWakeToo) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  auto raw = Peer::connect(port);
  ASSERT_TRUE(raw.send("x"));
  EXPECT_EQ(raw.read_exactly(1), "x");
  sleep();
  EXPECT_FALSE(raw.closed_within(50ms)) << "a silent connection stays open";
  EXPECT_EQ(wakes_, 0) << "and wakes nobody";
  ASSERT_TRUE(raw.send("again"));
  EXPECT_EQ(raw.read_exactly(5), "again");
  EXPECT_EQ(wakes_, 1);
}

TEST_F(R1_15_Gateway, AnEndOnAnOpenConnectionWakesNobody) {
  std::atomic<bool> ended = false;
  Machine machine([&](Peer& peer) {
    peer.read_all();
    ended = true;
  });
  auto port = publish_tcp("one", machine.port());
  auto raw = Peer::connect(port);
  ASSERT_TRUE(raw.send("x"));
  ASSERT_TRUE(eventually([&] { return gateway_->traffic(kOne)->bytes_in == 1; }));
  sleep();
  raw.close();
  EXPECT_TRUE(eventually([&] { return ended.load(); })) << "the machine's kernel takes the end";
  EXPECT_EQ(wakes_, 0);
}

TEST_F(R1_15_Gateway, AKeptBrowserConnectionWakesWithItsNextRequest) {
  Machine machine(always("hello"));
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().body, "hello");
  EXPECT_EQ(machine.connections(), 1u);
  sleep();
  EXPECT_FALSE(peer.closed_within(50ms));
  ASSERT_TRUE(peer.send(get("one.t.test")));
  EXPECT_EQ(peer.read_answer().body, "hello");
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(machine.connections(), 2u) << "what was kept open over the sleep is not used";
}

TEST_F(R1_15_Gateway, ARequestUnderWayCountsAndWakesWhatWasPutToSleepOverIt) {
  std::atomic<bool> asked = false, may = false;
  Machine machine([&](Peer& peer) {
    peer.read_head();
    asked = true;
    while (!may) std::this_thread::sleep_for(1ms);
    peer.send(ok("done"));
  });
  publish_http("one", machine.port());
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  ASSERT_TRUE(eventually([&] { return asked.load(); }));
  EXPECT_EQ(waiting(), 1u) << "the machine is at work for somebody";
  sleep();
  EXPECT_TRUE(eventually([&] { return wakes_ == 1; }));
  may = true;
  EXPECT_EQ(peer.read_answer().body, "done");
  EXPECT_TRUE(eventually([&] { return waiting() == 0; }));
}

TEST_F(R1_15_Gateway, PublishingAnewKeepsItAsleep) {
  Machine machine(always("hello"));
  publish_http("one", machine.port());
  hold_back();
  sleep();
  auto peer = client();
  ASSERT_TRUE(peer.send(get("one.t.test")));
  ASSERT_TRUE(eventually([&] { return waiting() > 0; }));
  publish_http("one", machine.port());
  auto next = client();
  ASSERT_TRUE(next.send(get("one.t.test")));
  // Each of the two is held and has its answer due.
  ASSERT_TRUE(eventually([&] { return waiting() == 4; }));
  EXPECT_EQ(machine.connections(), 0u);
  release();
  EXPECT_EQ(peer.read_answer().body, "hello");
  EXPECT_EQ(next.read_answer().body, "hello");
}

TEST_F(R1_15_Gateway, WhoIsNotPublishedCannotSleep) {
  EXPECT_EQ(run(gateway_->set_asleep(InstanceId("nobody"), true)).error().reason, "instance-unknown");
}

}  // namespace
}  // namespace tiltyard::gateway::testing
