// Connections that somebody hands on with a header of the PROXY protocol, and what machines are told in one.
#include "gateway/proxy_header.h"

#include <netinet/in.h>
#include <boost/asio/ip/address.hpp>

#include "gateway/sockets.h"
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

using namespace std::string_literals;

constexpr std::string_view kLine = "PROXY TCP4 203.0.113.7 198.51.100.1 4242 443\r\n";

Machine::Serve tells_of_the_player() {
  return [](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      peer.send(ok(field_of(head, "X-Real-IP") + " " + field_of(head, "X-Forwarded-For") + " " +
                   field_of(head, "X-Forwarded-Proto")));
    }
  };
}

Machine::Serve echo() {
  return [](Peer& peer) {
    for (auto bytes = peer.read_some(); !bytes.empty(); bytes = peer.read_some()) {
      if (!peer.send(bytes)) return;
    }
  };
}

/// 127.0.0.66 hands on connections, 127.0.0.77 is a trusted proxy of HTTP.
class HandedOn : public GatewayTest {
 protected:
  static Options by_a_balancer() {
    auto options = small_options();
    options.hands_on = [](const asio::ip::address& peer) { return peer.to_string() == "127.0.0.66"; };
    options.is_proxy = [](const asio::ip::address& peer) { return peer.to_string() == "127.0.0.77"; };
    options.max_connections_per_address = 2;
    options.quiet = 10min;
    return options;
  }
  HandedOn() : GatewayTest(by_a_balancer()) {}

  /// What the machine has been told, of a request behind this header.
  std::string told(std::string_view header, std::string_view fields = {}) {
    auto peer = client(66);
    EXPECT_TRUE(peer.send(std::string(header) + testing::get("one.t.test", "/", fields)));
    return peer.read_answer().body;
  }
};

using R2_2_HandedOn = HandedOn;

TEST_F(R2_2_HandedOn, TheHeaderSaysWhoThePlayerIs) {
  Machine machine(tells_of_the_player());
  publish_http("one", machine.port());
  EXPECT_EQ(told(kLine), "203.0.113.7 203.0.113.7 http");
  const ProxyTold player{*socket_address("2001:db8::7", 4242), *socket_address("::1", 443), {}, {}, true};
  EXPECT_EQ(told(proxy_header(2, player)), "2001:db8::7 2001:db8::7 https") << "and whether they speak TLS";
  EXPECT_EQ(told(kLine, "X-Forwarded-For: 6.6.6.6\r\n"), "203.0.113.7 6.6.6.6, 203.0.113.7 http")
      << "the player is believed nothing";
}

TEST_F(R2_2_HandedOn, ItMayComeByteByByte) {
  Machine machine(tells_of_the_player());
  publish_http("one", machine.port());
  auto peer = client(66);
  for (const char byte : kLine) ASSERT_TRUE(peer.send({&byte, 1}));
  for (int i = 0; i < 2; ++i) {  // it counts for the whole connection
    ASSERT_TRUE(peer.send(testing::get("one.t.test")));
    EXPECT_EQ(peer.read_answer().body, "203.0.113.7 203.0.113.7 http");
  }
}

TEST_F(R2_2_HandedOn, WithoutAHeaderNobodyOfThemComesIn) {
  Machine machine(echo());
  publish_http("one", machine.port());
  for (const auto& bytes :
       {testing::get("one.t.test"), "PROXY TCP4 x\r\n"s + testing::get("one.t.test"), "\x16\x03\x01"s}) {
    auto peer = client(66);
    ASSERT_TRUE(peer.send(bytes));
    EXPECT_TRUE(peer.closed_within(20s)) << bytes;
    EXPECT_TRUE(peer.was_reset()) << bytes;
  }
  auto half = client(66);
  ASSERT_TRUE(half.send("PROXY TCP4 203."));
  EXPECT_TRUE(half.closed_within(20s)) << "half of one is waited for, but not for long";
  auto gone = client(66);
  ASSERT_TRUE(gone.send("PROXY TCP4 203."));
  gone.finish_writing();
  EXPECT_TRUE(gone.closed_within(20s));
  EXPECT_EQ(machine.connections(), 0u);
}

TEST_F(R2_2_HandedOn, FromAnybodyElseItIsNoHeader) {
  Machine machine(tells_of_the_player());
  publish_http("one", machine.port());
  for (const int from : {1, 77}) {
    auto peer = client(from);
    ASSERT_TRUE(peer.send(std::string(kLine) + testing::get("one.t.test")));
    EXPECT_EQ(peer.read_answer().status, 400);
  }
  auto plain = client(1);
  ASSERT_TRUE(plain.send(testing::get("one.t.test")));
  EXPECT_EQ(plain.read_answer().body, "127.0.0.1 127.0.0.1 http");
}

TEST_F(R2_2_HandedOn, WhoSpeaksForItselfIsNotBelievedAsAProxyOfHttp) {
  Machine machine(tells_of_the_player());
  publish_http("one", machine.port());
  for (const auto& header : {"PROXY UNKNOWN\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s}) {
    EXPECT_EQ(told(header, "X-Forwarded-For: 6.6.6.6\r\n"), "127.0.0.66 6.6.6.6, 127.0.0.66 http");
  }
}

TEST_F(R2_2_HandedOn, ATrustedProxyBehindItSaysWhoThePlayerIs) {
  Machine machine(tells_of_the_player());
  publish_http("one", machine.port());
  EXPECT_EQ(
      told("PROXY TCP4 127.0.0.77 10.0.0.1 1 2\r\n", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"),
      "203.0.113.9 203.0.113.9, 127.0.0.77 https");
}

TEST_F(R2_2_HandedOn, EachPlayerHasAShareOfTheirOwn) {
  Machine machine(echo());
  const auto port = publish_tcp("one", machine.port());
  std::vector<Peer> peers;
  const auto come_in = [&](std::string_view header) {
    peers.push_back(Peer::connect(port, 66));
    return peers.back().send(std::string(header) + "x") && peers.back().read_exactly(1) == "x";
  };
  EXPECT_TRUE(come_in(kLine) && come_in(kLine));
  EXPECT_FALSE(come_in(kLine)) << "one address has two";
  EXPECT_TRUE(come_in("PROXY TCP4 203.0.113.8 198.51.100.1 4242 443\r\n")) << "and another one its own";
}

TEST_F(R2_2_HandedOn, ARawConnectionBeginsBehindTheHeader) {
  Machine machine([](Peer& peer) {
    peer.send("banner\n");
    peer.send(peer.read_exactly(5));
  });
  const auto port = publish_tcp("one", machine.port());
  auto peer = Peer::connect(port, 66);
  ASSERT_TRUE(peer.send(kLine));
  EXPECT_EQ(peer.read_exactly(7), "banner\n") << "a machine that speaks first";
  ASSERT_TRUE(peer.send("hello"));
  EXPECT_EQ(peer.read_exactly(5), "hello");
}

class R2_2_ToldMachine : public HandedOn {
 protected:
  std::uint16_t publish_told(std::uint16_t machine_port, int version) {
    for (int i = 0; i < 20; ++i) {
      const auto port = free_port();
      Route route{EndpointKind::kTcp, "pwn", {}, port, "127.0.0.1", machine_port};
      route.handover.proxy_protocol = static_cast<std::uint8_t>(version);
      if (run(gateway_->publish(InstanceId("i-1"), {route}))) return port;
    }
    ADD_FAILURE() << "no port could be opened";
    return 0;
  }
};

TEST_F(R2_2_ToldMachine, TheMachineIsToldOfThePlayerBeforeTheFirstByte) {
  for (const int version : {1, 2}) {
    std::string heard;
    std::atomic<bool> done = false;
    Machine machine([&](Peer& peer) {
      heard = peer.read_all();
      done = true;
    });
    const auto port = publish_told(machine.port(), version);
    auto peer = Peer::connect(port, 5);
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ASSERT_EQ(::getsockname(peer.fd(), reinterpret_cast<sockaddr*>(&own), &size), 0);
    ASSERT_TRUE(peer.send("first bytes"));
    peer.finish_writing();
    ASSERT_TRUE(eventually([&] { return done.load(); }));
    const ProxyTold told{
        *socket_address("127.0.0.5", ntohs(own.sin_port)), *socket_address("127.0.0.1", port), "i-1", {}, false};
    EXPECT_EQ(heard, proxy_header(version, told) + "first bytes") << version;
    withdraw("i-1");
  }
}

TEST_F(R2_2_ToldMachine, WhatWasToldUsIsToldOn) {
  std::string heard;
  std::atomic<bool> done = false;
  Machine machine([&](Peer& peer) {
    heard = peer.read_exactly(kLine.size());
    done = true;
  });
  auto peer = Peer::connect(publish_told(machine.port(), 1), 66);
  ASSERT_TRUE(peer.send(kLine));
  EXPECT_TRUE(eventually([&] { return done.load(); })) << "a player who says nothing is told of as well";
  EXPECT_EQ(heard, kLine);
}

}  // namespace
}  // namespace tiltyard::gateway::testing
