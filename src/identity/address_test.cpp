// Who is really asking, behind proxies and behind those who pretend to be.
#include "identity/address.h"

#include <gtest/gtest.h>

#include "net/text.h"

namespace tiltyard::identity {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

const Networks& proxies() {
  static const auto networks = Networks::parse({"10.0.0.0/8", "2001:db8:aaaa::/48"}).value();
  return networks;
}

std::string client(const std::string& peer, const Fields& fields) {
  http::Request request;
  request.remote_address = peer;
  for (const auto& [name, value] : fields) request.headers.add(name, value);
  const auto address = client_address(request, proxies());
  return address ? address->to_string() : "none";
}

bool tls(const std::string& peer, const Fields& fields) {
  http::Request request;
  request.remote_address = peer;
  for (const auto& [name, value] : fields) request.headers.add(name, value);
  return came_over_tls(request, proxies());
}

TEST(R7_6, WhatAnUntrustedPeerSaysOfItselfIsIgnored) {
  for (const auto& field :
       Fields{{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", "for=192.0.2.1"}, {"X-Real-IP", "192.0.2.1"}}) {
    EXPECT_EQ(client("203.0.113.9", {field}), "203.0.113.9") << field.first;
  }
  EXPECT_FALSE(tls("203.0.113.9", {{"X-Forwarded-Proto", "https"}}));
  EXPECT_FALSE(tls("203.0.113.9", {{"Forwarded", "proto=https"}}));
}

TEST(R7_6, ATrustedProxyNamesTheClient) {
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "192.0.2.1"}}), "192.0.2.1");
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", "for=192.0.2.1"}}), "192.0.2.1");
  EXPECT_EQ(client("10.0.0.1", {{"forwarded", R"(proto=https;For="192.0.2.1:4711";by=203.0.113.43)"}}), "192.0.2.1");
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", R"(for="[2001:db8:cafe::17]:4711")"}}), "2001:db8:cafe::17");
  EXPECT_EQ(client("2001:db8:aaaa::1", {{"Forwarded", R"(for="[2001:db8:cafe::17]")"}}), "2001:db8:cafe::17");
  EXPECT_EQ(client("10.0.0.1", {}), "10.0.0.1");
}

TEST(R7_6, OnlyWhatTrustedProxiesHaveAddedCounts) {
  // The client sent a list of its own; the proxies append to it.
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "127.0.0.1, 192.0.2.1, 10.0.0.2"}}), "192.0.2.1");
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", "for=127.0.0.1, for=192.0.2.1, for=10.0.0.2"}}), "192.0.2.1");
  EXPECT_EQ(
      client("10.0.0.1", {{"Forwarded", "for=127.0.0.1"}, {"Forwarded", "for=192.0.2.1;proto=http, for=10.0.0.2"}}),
      "192.0.2.1");
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", R"(for="1.1.1.1, for=2.2.2.2";x="\", for=3.3.3.3", for=192.0.2.1)"}}),
            "192.0.2.1");
}

TEST(R7_6, TheFieldThatTheProxyDoesNotWriteCannotBeUsedAgainstIt) {
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", "for=127.0.0.1"}}), "none");
  EXPECT_EQ(client("10.0.0.1", {{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", "for=192.0.2.1"}}), "192.0.2.1");
}

TEST(R7_6, WhatIsNoAddressIsNobody) {
  for (const auto* node : {"unknown", "_hidden", R"("[::1")", "\"\"", "x", "999.1.1.1", R"("")"}) {
    EXPECT_EQ(client("10.0.0.1", {{"Forwarded", std::string("for=") + node}}), "none") << node;
  }
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", ""}}), "none");
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", "proto=https"}}), "none");
  EXPECT_EQ(client("10.0.0.1", {{"Forwarded", R"(for="192.0.2.1)"}}), "none") << "a quote that never ends";
}

TEST(R7_6, AddressesAreReadAndWrittenAsTheSystemDoes) {
  for (const auto* text : {"0.0.0.0",  "127.0.0.1",    "255.255.255.255",  "10.200.30.4", "1.2.3",     "1.2.3.",
                           "1.2.3.4.", "1.2.3.4.5",    "01.2.3.4",         "1.2.3.04",    "256.1.1.1", "1.2.3.4567",
                           ".1.2.3",   "1..2.3",       "1.2.3.4 ",         " 1.2.3.4",    "1.2.3.x",   "",
                           "::1",      "2001:db8::17", "::ffff:192.0.2.1", "+1.2.3.4",    "0x7f.0.0.1"}) {
    boost::system::error_code error;
    const auto theirs = asio::ip::make_address(text, error);
    const auto ours = parse_address(text);
    ASSERT_EQ(ours.has_value(), !error) << text;
    if (!ours) continue;
    const bool mapped = theirs.is_v6() && theirs.to_v6().is_v4_mapped();
    EXPECT_EQ(*ours,
              mapped ? asio::ip::address(asio::ip::make_address_v4(asio::ip::v4_mapped, theirs.to_v6())) : theirs)
        << text;
    EXPECT_EQ(http::address_text(*ours), ours->to_string()) << text;
  }
}

TEST(R7_6, TheSchemeComesFromTheNearestProxy) {
  EXPECT_TRUE(tls("10.0.0.1", {{"X-Forwarded-Proto", "https"}}));
  EXPECT_TRUE(tls("10.0.0.1", {{"Forwarded", "for=192.0.2.1;proto=https"}}));
  EXPECT_FALSE(tls("10.0.0.1", {{"Forwarded", "for=1.1.1.1;proto=https, for=192.0.2.1;proto=http"}}));
  EXPECT_FALSE(tls("10.0.0.1", {{"X-Forwarded-Proto", "http"}, {"Forwarded", "proto=https"}}));
}

}  // namespace
}  // namespace tiltyard::identity
