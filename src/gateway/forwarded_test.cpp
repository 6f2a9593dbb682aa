// What a trusted proxy says of the way, and what becomes of it when nobody trusted says it.
#include "gateway/forwarded.h"

#include "gateway/rewrite.h"
#include "gateway/testing.h"

namespace tiltyard::gateway::testing {
namespace {

bool is_proxy(const asio::ip::address& address) {
  return address.is_loopback() || address.to_string().starts_with("10.");
}

/// The head that the machine gets, of a request with these fields by a peer at 127.0.0.1.
std::string head_by(std::string_view fields, bool trusted, bool secure = false, bool claims = false) {
  RequestHead head;
  const auto bytes = "GET / HTTP/1.1\r\nHost: a.test\r\n" + std::string(fields) + "\r\n";
  if (parse_request(bytes, head)) return "refused";
  Way way{"127.0.0.1", "127.0.0.1", secure, trusted, claims};
  if (trusted) believe(head, is_proxy, way);
  std::string out;
  write_request_head(head, way, out);
  return out;
}

using Said = std::pair<std::string_view, std::string_view>;

TEST(R2_1, ATrustedProxySaysHowThePlayerHasCome) {
  const auto head = head_by(
      "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"
      "X-Forwarded-Host: shown.test\r\n",
      true);
  for (auto [name, value] : {Said{"Host", "a.test"},
                             {"X-Forwarded-For", "203.0.113.7, 127.0.0.1"},
                             {"X-Real-IP", "203.0.113.7"},
                             {"X-Forwarded-Proto", "https"},
                             {"X-Forwarded-Port", "8443"},
                             {"X-Forwarded-Host", "shown.test"},
                             {"Forwarded", "for=203.0.113.7;host=\"a.test\";proto=https, for=127.0.0.1"}}) {
    EXPECT_EQ(field_of(head, name), value) << name;
  }
}

TEST(R2_1, NobodyElseSaysHowThePlayerHasCome) {
  const auto head = head_by(
      "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nForwarded: "
      "for=203.0.113.7;proto=https\r\n",
      false);
  for (auto [name, value] : {Said{"X-Forwarded-For", "203.0.113.7, 127.0.0.1"},
                             {"X-Real-IP", "127.0.0.1"},
                             {"X-Forwarded-Proto", "http"},
                             {"X-Forwarded-Port", ""},
                             {"Forwarded", "for=203.0.113.7;proto=https, for=127.0.0.1;host=\"a.test\";proto=http"}}) {
    EXPECT_EQ(field_of(head, name), value) << name;
  }
  EXPECT_EQ(count_of(head, "X-Forwarded-Proto"), 1u);
}

TEST(R2_1, ForwardedSaysTheSameToWhoReadsTheOlderFields) {
  const auto head =
      head_by("Forwarded: for=\"[2001:db8::7]:4711\";proto=https;host=a.test, for=10.0.0.3;proto=https\r\n", true);
  EXPECT_EQ(field_of(head, "X-Forwarded-For"), "2001:db8::7, 127.0.0.1");
  EXPECT_EQ(field_of(head, "X-Real-IP"), "2001:db8::7");
  EXPECT_EQ(field_of(head, "X-Forwarded-Proto"), "https");
  EXPECT_TRUE(field_of(head, "Forwarded")
                  .ends_with(", for=10.0.0.3;proto=https, for=127.0.0.1;host=\"a.test\";"
                             "proto=https"))
      << head;
}

TEST(R2_1, WhatProxiesSayIsBelievedFromTheRight) {
  for (auto [list, client] : {Said{"6.6.6.6, 203.0.113.7, 10.0.0.3", "203.0.113.7"},
                              {"203.0.113.7:5123", "203.0.113.7"},
                              {"2001:db8::7", "2001:db8::7"},
                              {"[2001:db8::7]:443", "2001:db8::7"},
                              {"203.0.113.7, unknown", "127.0.0.1"},
                              {"203.0.113.7, fe80::1%e;x=y", "127.0.0.1"},
                              {"10.0.0.4", "10.0.0.4"},
                              {" , ,", "127.0.0.1"}}) {
    const auto head = head_by("X-Forwarded-For: " + std::string(list) + "\r\n", true);
    EXPECT_EQ(field_of(head, "X-Real-IP"), client) << list;
  }
  EXPECT_EQ(field_of(head_by("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n", true), "X-Real-IP"),
            "203.0.113.7");
}

TEST(R2_1, WithoutAWordTheSchemeIsTheConfigurations) {
  EXPECT_EQ(field_of(head_by("X-Forwarded-For: 203.0.113.7\r\n", true, true), "X-Forwarded-Proto"), "https");
  EXPECT_EQ(field_of(head_by("X-Forwarded-Proto: http\r\n", true, true), "X-Forwarded-Proto"), "http");
  EXPECT_EQ(field_of(head_by("X-Forwarded-Proto: http\r\n", false, true), "X-Forwarded-Proto"), "https");
}

/// For an endpoint with `client_claims`.
std::string claimed_by(std::string_view fields, bool trusted) { return head_by(fields, trusted, true, true); }

TEST(R2_1, WhereTheClaimIsTheSubjectItIsPassedOnAlone) {
  constexpr std::string_view kClaims =
      "X-Forwarded-For: 10.13.37.1\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 1\r\n"
      "X-Forwarded-Host: evil.example\r\nForwarded: for=127.0.0.1\r\nVia: 1.0 me\r\n";
  const auto head = claimed_by(kClaims, false);
  for (auto [name, value] : {Said{"X-Forwarded-For", "10.13.37.1"},
                             {"X-Real-IP", "127.0.0.1"},
                             {"X-Forwarded-Proto", "gopher"},
                             {"X-Forwarded-Port", "1"},
                             {"X-Forwarded-Host", "evil.example"},
                             {"Forwarded", "for=127.0.0.1"},
                             {"Via", "1.0 me"}}) {
    EXPECT_EQ(field_of(head, name), value) << name;
    EXPECT_EQ(count_of(head, std::string("\r\n") + std::string(name) + ":"), 1u) << name;
  }
  EXPECT_EQ(field_of(head_by(kClaims, false), "X-Forwarded-For"), "10.13.37.1, 127.0.0.1") << "and nowhere else";
}

TEST(R2_1, WhatNobodyClaimsIsSaidAsAlways) {
  const auto head = claimed_by("", false);
  EXPECT_EQ(head, head_by("", false, true));
  EXPECT_EQ(field_of(head, "X-Forwarded-For"), "127.0.0.1");
  EXPECT_EQ(field_of(head, "X-Forwarded-Proto"), "https");
}

TEST(R2_1, WhatATrustedProxyHasAddedIsNoClaim) {
  for (auto [fields, value] : {Said{"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.3\r\n", "6.6.6.6"},
                               {"X-Forwarded-For: a, b\r\nX-Forwarded-For: 203.0.113.7\r\n", "a, b"},
                               {"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7, 127.0.0.1"},
                               {"X-Forwarded-For: a,203.0.113.7\r\nX-Forwarded-For: 10.0.0.3\r\n", "a"}}) {
    const auto head = claimed_by(fields, true);
    EXPECT_EQ(field_of(head, "X-Forwarded-For"), value) << fields;
    EXPECT_EQ(field_of(head, "X-Real-IP"), "203.0.113.7") << fields;
  }
}

class R2_1_ByAProxy : public GatewayTest {
 protected:
  R2_1_ByAProxy()
      : GatewayTest([] {
          auto options = small_options();
          options.is_proxy = [](const asio::ip::address& peer) { return peer.to_string() == "127.0.0.66"; };
          return options;
        }()) {}

  /// Asked from 127.0.0.`from`.
  Peer::Answer ask(int from, std::string_view host, std::string_view fields) {
    auto peer = client(from);
    EXPECT_TRUE(peer.send(testing::get(host, "/", fields)));
    return peer.read_answer();
  }
};

TEST_F(R2_1_ByAProxy, OnlyATrustedPeerIsBelieved) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      peer.send(
          ok(field_of(head, "X-Forwarded-Proto") + " " + field_of(head, "X-Real-IP") + " " + field_of(head, "Host")));
    }
  });
  publish_http("one", machine.port());
  constexpr std::string_view kFields = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.7\r\n";
  EXPECT_EQ(ask(66, "one.t.test", kFields).body, "https 203.0.113.7 one.t.test");
  EXPECT_EQ(ask(67, "one.t.test", kFields).body, "http 127.0.0.67 one.t.test");
}

TEST_F(R2_1_ByAProxy, AProxyThatCallsUsByAnotherNameSaysWhomItMeans) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) peer.send(ok(field_of(head, "Host")));
  });
  publish_http("one", machine.port());
  for (std::string_view host : {"tiltyard:8080", "t.test", "other.t.test"}) {
    EXPECT_EQ(ask(66, host, "X-Forwarded-Host: ONE.t.test:8443\r\n").body, "ONE.t.test:8443") << host;
    EXPECT_EQ(ask(66, host, "Forwarded: for=1.2.3.4;host=\"one.t.test\"\r\n").body, "one.t.test") << host;
    EXPECT_NE(ask(67, host, "X-Forwarded-Host: one.t.test\r\n").body, "one.t.test") << host;
  }
  // The challenge may be about that very field.
  EXPECT_EQ(ask(66, "one.t.test", "X-Forwarded-Host: evil.example\r\n").body, "one.t.test");
  EXPECT_EQ(ask(66, "other.t.test", "X-Forwarded-Host: one.t.test/x\r\n").status, 404);
}

class R2_1_SharesByAProxy : public GatewayTest {
 protected:
  R2_1_SharesByAProxy()
      : GatewayTest([] {
          auto options = small_options();
          options.is_proxy = [](const asio::ip::address& peer) { return peer.to_string() == "127.0.0.66"; };
          options.max_connections_per_address_and_instance = 1;
          options.quiet = 10min;
          return options;
        }()) {}
};

TEST_F(R2_1_SharesByAProxy, EachPlayerBehindAProxyHasTheirOwnAtAnInstance) {
  Machine machine([](Peer& peer) {
    for (auto head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("GET /slow")) continue;  // an answer that does not come
      peer.send(ok("here"));
    }
  });
  publish_http("one", machine.port());
  const auto by = [](std::string_view player) { return "X-Forwarded-For: " + std::string(player) + "\r\n"; };
  auto slow = client(66);
  ASSERT_TRUE(slow.send(testing::get("one.t.test", "/slow", by("203.0.113.7"))));
  ASSERT_TRUE(eventually([&] { return gateway_->traffic(InstanceId("one"))->waiting == 1; }));
  auto more = client(66);
  ASSERT_TRUE(more.send(testing::get("one.t.test", "/", by("203.0.113.7"))));
  EXPECT_EQ(more.read_answer().status, 503) << "one player has one";
  // On the same connection another one asks, and has theirs.
  ASSERT_TRUE(more.send(testing::get("one.t.test", "/", by("203.0.113.8"))));
  EXPECT_EQ(more.read_answer().status, 200);
  ASSERT_TRUE(more.send(testing::get("one.t.test", "/", by("203.0.113.7"))));
  EXPECT_EQ(more.read_answer().status, 503);
}

}  // namespace
}  // namespace tiltyard::gateway::testing
