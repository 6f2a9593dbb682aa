// Many connections: nobody has more than a share, whoever is silent makes room, nobody sticks for ever.
#include <boost/asio/ip/address.hpp>

#include <future>

#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

Machine::Serve echoing() {
  return [](Peer& peer) {
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) {
      if (!peer.send(bytes)) return;
    }
  };
}

class Crowd : public GatewayTest {
 protected:
  using GatewayTest::GatewayTest;

  static Options few(std::size_t all, std::size_t each) {
    auto options = small_options();
    options.max_connections = all;
    options.max_connections_per_address = each;
    options.quiet = 50ms;
    return options;
  }

  /// Whether a player at 127.0.0.`from` gets an answer from the instance.
  bool served(int from, const std::string& host = "one.t.test") {
    auto peer = client(from);
    return peer.send(get(host)) && peer.read_answer().status == 200;
  }
  static bool echoes(Peer& peer) { return peer.send("x") && peer.read_exactly(1) == "x"; }
  bool echoed(std::uint16_t port, int from) {
    auto peer = Peer::connect(port, from);
    return echoes(peer);
  }
  /// So many connections from one address that stay open.
  std::vector<Peer> silent(int count, int from) {
    std::vector<Peer> peers;
    for (int i = 0; i < count; ++i) peers.push_back(client(from));
    return peers;
  }
};

struct R7_6_Shares : Crowd {
  R7_6_Shares()
      : Crowd([] {
          auto options = few(40, 8);
          options.quiet = 1h;
          options.max_connections_per_owner = 6;
          options.max_connections_per_address_and_instance = 3;
          return options;
        }()) {}
};

TEST_F(R7_6_Shares, OneAddressTakesNoMoreThanItsShare) {
  Machine machine(always("x"));
  publish_http("one", machine.port());
  auto flood = silent(30, 66);
  ASSERT_TRUE(eventually([&] { return !served(66); })) << "the flood has used up its share";
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(served(7)) << "others do not notice";
  flood.clear();
  EXPECT_TRUE(eventually([&] { return served(66); })) << "and a share comes back";
}

TEST_F(R7_6_Shares, AnAddressHasNoMoreThanAShareOfAnInstance) {
  Machine machine(echoing());
  const auto port = publish_tcp("one", machine.port());
  std::vector<Peer> rival;
  for (int i = 0; i < 3; ++i) {
    rival.push_back(Peer::connect(port, 66));
    ASSERT_TRUE(echoes(rival.back()));
  }
  EXPECT_FALSE(echoed(port, 66));
  EXPECT_TRUE(echoed(port, 7));
}

TEST_F(R7_6_Shares, AnOwnerHasNoMoreThanAShareWithAllInstances) {
  Machine machine(echoing());
  const auto one = publish_tcp("one", machine.port(), "red"), two = publish_tcp("two", machine.port(), "red");
  const auto three = publish_tcp("three", machine.port(), "blue");
  std::vector<Peer> open;
  for (int i = 0; i < 6; ++i) {
    open.push_back(Peer::connect(i % 2 == 0 ? one : two, 60 + i));
    ASSERT_TRUE(echoes(open.back()));
  }
  EXPECT_FALSE(echoed(one, 70));
  EXPECT_FALSE(echoed(two, 71));
  EXPECT_TRUE(echoed(three, 72));
}

struct R7_6_Proxy : Crowd {
  R7_6_Proxy()
      : Crowd([] {
          auto options = few(40, 2);
          options.is_proxy = [](const asio::ip::address& peer) { return peer.to_string() == "127.0.0.66"; };
          return options;
        }()) {}
};

TEST_F(R7_6_Proxy, AProxySpeaksForMany) {
  Machine machine(always("x"));
  publish_http("one", machine.port());
  const auto people = silent(10, 66);
  EXPECT_TRUE(served(66));
}

struct R7_6_Full : Crowd {
  R7_6_Full() : Crowd(few(12, 11), 1) {}
};

TEST_F(R7_6_Full, WhereThereIsNoRoomTheSilentOfACrowdGoFirst) {
  Machine machine(echoing());
  const auto port = publish_tcp("one", machine.port());
  auto alone = Peer::connect(port, 7);  // silent for longest, but the only one of its address
  ASSERT_TRUE(echoes(alone));
  const auto flood = silent(11, 66);
  EXPECT_TRUE(eventually([&] { return echoed(port, 8); }));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(eventually([&] { return echoed(port, 8); }));
  EXPECT_TRUE(echoes(alone));
}

struct R7_6_Paced : Crowd {
  R7_6_Paced()
      : Crowd(
            [] {
              auto options = small_options();
              options.connects_per_instance = 10;
              return options;
            }(),
            1) {}
};

// Each such answer costs the host a connection that it remembers for minutes.
TEST_F(R7_6_Paced, AMachineThatClosesEachConnectionIsNotConnectedToFasterThanItMay) {
  Machine closes([](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
  });
  Machine other(always("x"));
  publish_http("one", closes.port());
  publish_http("two", other.port());
  auto peer = client();
  const auto ask = [&](const char* host) { return peer.send(get(host)) && peer.read_answer().status == 200; };
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 101; ++i) ASSERT_TRUE(ask("one.t.test"));
  const auto burst = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ask("one.t.test"));
  EXPECT_GE(std::chrono::steady_clock::now() - burst, 150ms) << "three turns of 100 ms, the first begun already";
  EXPECT_LT(burst - begun, 5s) << "ten seconds' worth may come at once";
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(ask("two.t.test")) << "a machine that keeps its connections is not slowed";
}

struct R7_6_Stuck : Crowd {
  R7_6_Stuck()
      : Crowd([] {
          auto options = small_options();
          options.stuck_timeout = 200ms;
          return options;
        }()) {}
};

TEST_F(R7_6_Stuck, ATunnelThatNobodyReadsEnds) {
  const std::string much(32 << 20, 'x');
  std::promise<bool> machine_sent;
  Machine machine([&](Peer& peer) { machine_sent.set_value(peer.send(much)); });
  const auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  EXPECT_FALSE(peer.send(much)) << "it is cut while both push";
  EXPECT_FALSE(machine_sent.get_future().get());
  EXPECT_TRUE(eventually([&] { return gateway_->traffic(InstanceId("one"))->open == 0; }));
}

TEST_F(R7_6_Stuck, ATunnelThatOneSideReadsOnlyLaterGoesOn) {
  const std::string much(16 << 20, 'x');
  Machine machine([&](Peer& peer) { peer.send(much); });
  const auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port);
  std::this_thread::sleep_for(600ms);  // three times what would end it if both sides were stuck
  EXPECT_EQ(peer.read_exactly(much.size()).size(), much.size());
}

}  // namespace
}  // namespace tiltyard::gateway::testing
