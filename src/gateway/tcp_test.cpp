#include <unistd.h>

#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

using R2_3_Tcp = GatewayTest;

Machine::Serve echo() {
  return [](Peer& peer) {
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) {
      if (!peer.send(bytes)) return;
    }
  };
}

TEST_F(R2_3_Tcp, BytesPassBothWays) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  for (int i = 0; i < 8; ++i) {  // connections are dealt out to both loops
    auto peer = Peer::connect(port);
    ASSERT_TRUE(peer.send("hello\n"));
    EXPECT_EQ(peer.read_exactly(6), "hello\n");
    ASSERT_TRUE(peer.send("again\n"));
    EXPECT_EQ(peer.read_exactly(6), "again\n");
  }
  EXPECT_TRUE(eventually([&] {
    auto traffic = gateway_->traffic(InstanceId("one"));
    return traffic->connections == 8 && traffic->bytes_in == 96 && traffic->bytes_out == 96 && traffic->open == 0;
  }));
}

// `echo input | nc host port`: the end of the input must not cost the answer.
TEST_F(R2_3_Tcp, TheAnswerComesAfterTheInputHasEnded) {
  Machine machine([](Peer& peer) {
    auto input = peer.read_all();
    peer.send("got " + std::to_string(input.size()) + " bytes\n");
  });
  auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("some input"));
  peer.finish_writing();
  EXPECT_EQ(peer.read_all(), "got 10 bytes\n");
  EXPECT_FALSE(peer.was_reset());
}

TEST_F(R2_3_Tcp, TheMachineMayEndFirst) {
  std::string heard;
  std::atomic<bool> done = false;
  Machine machine([&](Peer& peer) {
    peer.send("banner");
    peer.finish_writing();
    heard = peer.read_all();
    done = true;
  });
  auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  EXPECT_EQ(peer.read_all(), "banner");
  ASSERT_TRUE(peer.send("still talking"));
  peer.finish_writing();
  ASSERT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_EQ(heard, "still talking");
}

TEST_F(R2_3_Tcp, MuchDataPassesUnchangedWithSlowReaders) {
  constexpr std::size_t kSize = 40 << 20;
  std::string data(kSize, '\0');
  for (std::size_t i = 0; i < kSize; ++i) data[i] = static_cast<char>(i * 2654435761u >> 13);
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  std::thread sender([&] {
    peer.send(data);
    peer.finish_writing();
  });
  std::this_thread::sleep_for(100ms);  // both directions fill up before anybody reads
  auto got = peer.read_all();
  sender.join();
  EXPECT_TRUE(got == data) << got.size() << " bytes came back";
}

TEST_F(R2_3_Tcp, WithdrawalCutsConnectionsAndClosesThePort) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("x"));
  EXPECT_EQ(peer.read_exactly(1), "x");
  withdraw("one");
  EXPECT_TRUE(peer.closed_within(1s));
  EXPECT_TRUE(peer.was_reset());
  EXPECT_EQ(Peer::connect(port).fd(), -1) << "the port must be closed when withdraw has completed";
  EXPECT_FALSE(gateway_->traffic(InstanceId("one")));
}

TEST_F(R2_3_Tcp, ABusyPortIsSaid) {
  int fd = listen_on(0);
  Route route{EndpointKind::kTcp, "pwn", {}, port_of(fd), "127.0.0.1", 1};
  auto done = run(gateway_->publish(InstanceId("one"), {route}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kConflict);
  EXPECT_EQ(done.error().reason, "port-busy");
  EXPECT_TRUE(gateway_->published().empty());
  EXPECT_FALSE(gateway_->port_free(port_of(fd)));
  auto was = port_of(fd);
  ::close(fd);
  EXPECT_TRUE(gateway_->port_free(was));
}

TEST_F(R2_3_Tcp, AMachineThatRefusesIsPassedOnAsAReset) {
  auto port = publish_tcp("one", free_port());
  auto peer = Peer::connect(port);
  EXPECT_TRUE(peer.closed_within(1s));
}

TEST_F(R2_3_Tcp, PublishingAgainKeepsConnectionsThatStillFit) {
  Machine machine(echo()), other(echo());
  auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("x"));
  EXPECT_EQ(peer.read_exactly(1), "x");
  Route same{EndpointKind::kTcp, "pwn", {}, port, "127.0.0.1", machine.port()};
  Route web{EndpointKind::kHttp, "web", {"one"}, 0, "127.0.0.1", other.port()};
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {same, web})));
  ASSERT_TRUE(peer.send("y"));
  EXPECT_EQ(peer.read_exactly(1), "y");
  // Another machine behind the same port: old connections end, new ones go there.
  same.machine_port = other.port();
  ASSERT_TRUE(run(gateway_->publish(InstanceId("one"), {same})));
  EXPECT_TRUE(peer.closed_within(1s));
  auto next = Peer::connect(port);
  ASSERT_TRUE(next.send("z"));
  EXPECT_EQ(next.read_exactly(1), "z");
  EXPECT_EQ(other.connections(), 1u);
  EXPECT_EQ(gateway_->traffic(InstanceId("one"))->connections, 2u) << "the counts live on";
}

class Limited : public GatewayTest {
 protected:
  static Options limits() {
    auto options = small_options();
    options.max_connections_per_instance = 2;
    options.tcp_idle_timeout = 300ms;
    return options;
  }
  Limited() : GatewayTest(limits()) {}
};

using R2_3_Limits = Limited;

TEST_F(R2_3_Limits, ConnectionsPerInstanceAreBounded) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  std::vector<Peer> peers;
  for (int i = 0; i < 2; ++i) {
    peers.push_back(Peer::connect(port));
    ASSERT_TRUE(peers.back().send("x"));
    EXPECT_EQ(peers.back().read_exactly(1), "x");
  }
  auto third = Peer::connect(port);
  EXPECT_TRUE(third.closed_within(200ms));
  peers.pop_back();
  EXPECT_TRUE(eventually([&] { return gateway_->traffic(InstanceId("one"))->open < 2; }));
  auto next = Peer::connect(port);
  ASSERT_TRUE(next.send("x"));
  EXPECT_EQ(next.read_exactly(1), "x");
}

TEST_F(R2_3_Limits, SilentConnectionsEnd) {
  Machine machine(echo());
  auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  ASSERT_TRUE(peer.send("x"));
  EXPECT_EQ(peer.read_exactly(1), "x");
  EXPECT_FALSE(peer.closed_within(150ms));
  EXPECT_TRUE(peer.closed_within(1s));
}

}  // namespace
}  // namespace tiltyard::gateway::testing
