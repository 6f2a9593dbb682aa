// What is shown of ports, which one is free, and what may be opened: pure. The rest is tried with real machines
// (tests/e2e/test_ports.py).
#include <gtest/gtest.h>

#include <algorithm>

#include "ports/free.h"
#include "ports/look.h"
#include "ports/policy.h"

namespace tiltyard::ports {
namespace {

using net::Waiting;

Policy everything() {
  templates::Template tmpl;
  return policy_of(Options{}, &tmpl);
}

TEST(R2_8, SocketsOfOnePortAreOneLineAndSayWhoReachesThem) {
  const std::vector<Waiting> sockets{
      {{"127.0.0.1", 80, false, 0}, false, 1, "nginx"}, {{"10.64.0.2", 80, false, 0}, false, 2, "nginx"},
      {{"127.0.0.11", 81, false, 0}, false, 3, ""},     {{"127.0.0.1", 5432, false, 0}, false, 4, "postgres"},
      {{"::1", 5432, false, 0}, false, 5, ""},          {{"::", 6000, true, 0}, false, 6, ""},
      {{"0.0.0.0", 53, false, 0}, true, 7, "dnsmasq"},  {{"::", 53, false, 0}, false, 8, "dnsmasq"},
  };
  const auto seen = by_port(sockets, "10.64.0.2");
  ASSERT_EQ(seen.size(), 5u) << "the engine's own resolver is none of the machine's";
  EXPECT_TRUE(seen[0].reachable) << "by one of its two sockets";
  EXPECT_EQ(seen[0].addresses, (std::vector<std::string>{"127.0.0.1", "10.64.0.2"}));
  EXPECT_EQ(seen[0].program, "nginx");
  EXPECT_FALSE(seen[1].reachable);
  EXPECT_NE(seen[1].why.find("127.0.0.1 and ::1 alone, inside the machine"), std::string::npos) << seen[1].why;
  EXPECT_FALSE(seen[2].reachable) << "of IPv6 alone";
  EXPECT_NE(seen[2].why.find("0.0.0.0"), std::string::npos) << seen[2].why;
  EXPECT_TRUE(seen[3].udp && seen[3].reachable);
  EXPECT_TRUE(!seen[4].udp && seen[4].reachable) << "the same number of the other protocol is another port";
}

TEST(R2_8, MoreThanAreShownIsOneMore) {
  std::vector<Waiting> sockets;
  for (std::uint16_t port = 1; port < 2000; ++port) sockets.push_back({{"0.0.0.0", port, false, 0}, false, port, ""});
  EXPECT_EQ(by_port(sockets, "10.64.0.2").size(), kMostShown + 1);
}

TEST(R2_8, AFreePortIsTheSameAgainAndNobodysElse) {
  const auto policy = everything();
  const auto first = free_port("box/main/ann", {}, policy);
  ASSERT_TRUE(first);
  EXPECT_EQ(free_port("box/main/ann", {}, policy), first);
  EXPECT_NE(free_port("box/main/bob", {}, policy), first);
  EXPECT_GE(*first, 10'000);
  EXPECT_LE(*first, 29'999);
  const auto next = free_port("box/main/ann", {*first}, policy);
  ASSERT_TRUE(next);
  EXPECT_NE(next, first);
}

TEST(R2_8, AFreePortIsNoneThatProgramsHaveByHabit) {
  auto policy = everything();
  policy.ranges = {{27017, 27020}};
  EXPECT_EQ(free_port("any", {}, policy), 27020);
  EXPECT_EQ(free_port("any", {27020}, policy), std::nullopt);
}

TEST(R2_8, WhereTheTemplateNamesOthersAFreePortIsOneOfThose) {
  auto policy = everything();
  policy.ranges = {{22, 22}, {40'000, 40'001}};
  const auto found = free_port("any", {}, policy);
  ASSERT_TRUE(found);
  EXPECT_TRUE(*found == 40'000 || *found == 40'001) << *found;
  EXPECT_EQ(free_port("any", {40'000, 40'001}, policy), std::nullopt) << "22 is ssh's";
}

TEST(R2_8, WhatIsPromisedIsNobodyElsesForAWhile) {
  Promises promises;
  const auto now = Promises::Time{} + std::chrono::hours{1};
  promises.make("box/main", 12'000, "ann", now);
  promises.make("box/db", 12'001, "ann", now);
  EXPECT_EQ(promises.of_others("box/main", "bob", now), PortSet{12'000});
  EXPECT_EQ(promises.of_others("box/main", "ann", now), PortSet{}) << "her own";
  promises.make("box/main", 12'002, "ann", now);
  EXPECT_EQ(promises.of_others("box/main", "bob", now), PortSet{12'002}) << "one at a time";
  EXPECT_EQ(promises.of_others("box/main", "bob", now + Promises::kKept), PortSet{});
  for (std::size_t i = 0; i < Promises::kMost; ++i) promises.make("box/" + std::to_string(i), 1, "eve", now);
  EXPECT_EQ(promises.of_others("box/main", "bob", now), PortSet{}) << "the oldest goes first";
}

TEST(R2_8, ATemplateAllowsLessThanTheOperatorAndNeverMore) {
  Options options;
  templates::Template tmpl;
  const auto why = [](const Result<>& result) { return result ? std::string() : result.error().reason; };
  auto policy = policy_of(options, &tmpl);
  EXPECT_EQ(policy.max, 4);
  EXPECT_EQ(why(policy.allows("main", 80, EndpointKind::kHttp)), "");
  EXPECT_EQ(why(policy.allows("main", 80, EndpointKind::kTcp)), "");
  EXPECT_EQ(why(policy.allows("main", 53, EndpointKind::kUdp)), "");
  EXPECT_EQ(why(policy.allows("main", 443, EndpointKind::kTls)), "kind-not-allowed") << "unless the operator says so";

  tmpl.open_ports = {.kinds = std::vector{EndpointKind::kTcp}, .max = 9, .ranges = {{8000, 8099}}, .machines = {"dev"}};
  policy = policy_of(options, &tmpl);
  EXPECT_EQ(policy.max, 4);
  EXPECT_EQ(why(policy.allows("dev", 8050, EndpointKind::kTcp)), "");
  EXPECT_EQ(why(policy.allows("dev", 8050, EndpointKind::kHttp)), "kind-not-allowed");
  EXPECT_EQ(why(policy.allows("dev", 8100, EndpointKind::kTcp)), "port-not-allowed");
  EXPECT_EQ(why(policy.allows("db", 8050, EndpointKind::kTcp)), "machine-closed");
  EXPECT_FALSE(policy.shows("db"));

  options.open = {"http"};
  policy = policy_of(options, &tmpl);
  EXPECT_EQ(why(policy.allows("dev", 8050, EndpointKind::kTcp)), "ports-off") << "they have no kind in common";
  EXPECT_FALSE(policy.shows("dev")) << "who may open nothing is shown nothing";
  EXPECT_NE(policy.why, "");
}

TEST(R2_8, OfATemplateThatHasChangedNothingIsAllowed) {
  const auto policy = policy_of(Options{}, nullptr);
  EXPECT_FALSE(policy.shows("main"));
  EXPECT_EQ(policy.allows("main", 80, EndpointKind::kHttp).error().reason, "ports-off");
}

TEST(R2_8, AMaximumOfZeroIsOff) {
  templates::Template tmpl;
  tmpl.open_ports.max = 0;
  EXPECT_FALSE(policy_of(Options{}, &tmpl).shows("main"));
}

}  // namespace
}  // namespace tiltyard::ports
