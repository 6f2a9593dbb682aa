// The layout, what is written in which order, and keys of the operator's own: pure. Over a real Redis, with a strict
// reader in Traefik's place, it is tried in tests/e2e/test_traefik.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "traefik/changes.h"
#include "traefik/extra.h"
#include "traefik/layout.h"

namespace tiltyard::traefik {
namespace {

const Gateway kGateway{"127.0.0.1:8080", "127.0.0.1:8443", "play.example"};

Exported page() { return {"web-ann-0af2", "web", EndpointKind::kHttp, {"8d1f.play.example"}, "10.64.0.2:80", false}; }
Exported vault() { return {"vault-ann-11", "safe", EndpointKind::kTls, {"77aa.play.example"}, "10.64.0.3:443", false}; }

TEST(R2_5, APageIsARouterToTheGatewayAndTheRestIsCaught) {
  const auto keys = keys_of(Options{}, kGateway, {page()});
  const std::string router = "traefik/http/routers/ty_tiltyard_web-ann-0af2_web";
  const Keys wanted{
      {"traefik/http/services/ty_tiltyard_gateway/loadbalancer/servers/0/url", "http://127.0.0.1:8080"},
      {router + "/rule", "Host(`8d1f.play.example`)"},
      {router + "/service", "ty_tiltyard_gateway"},
      {router + "/priority", "100"},
      {router + "/entrypoints/0", "websecure"},
      {router + "/tls", "true"},
      {"traefik/http/routers/ty_tiltyard_rest/rule", "HostRegexp(`^[^.]+\\.play\\.example$`)"},
      {"traefik/http/routers/ty_tiltyard_rest/service", "ty_tiltyard_gateway"},
      {"traefik/http/routers/ty_tiltyard_rest/priority", "1"},
      {"traefik/http/routers/ty_tiltyard_rest/entrypoints/0", "websecure"},
      {"traefik/http/routers/ty_tiltyard_rest/tls", "true"},
  };
  EXPECT_EQ(keys, wanted);
}

TEST(R2_5, TheTwoVersionsHaveTheirOwnPatterns) {
  Options options;
  options.version = Version::kTwo;
  EXPECT_EQ(keys_of(options, kGateway, {}).at("traefik/http/routers/ty_tiltyard_rest/rule"),
            "HostRegexp(`{label:[^.]+}.play.example`)");
  options.catch_all = CatchAll::kEverything;
  EXPECT_EQ(keys_of(options, kGateway, {}).at("traefik/http/routers/ty_tiltyard_rest/rule"), "PathPrefix(`/`)");
  options.catch_all = CatchAll::kNone;
  EXPECT_TRUE(keys_of(options, kGateway, {}).empty());
}

TEST(R2_5, SeveralNamesAreSeveralMatchersAsBothVersionsReadThem) {
  auto two = page();
  two.hosts.push_back("www.example.org");
  const auto keys = keys_of(Options{}, kGateway, {two});
  EXPECT_EQ(keys.at("traefik/http/routers/ty_tiltyard_web-ann-0af2_web/rule"),
            "Host(`8d1f.play.example`) || Host(`www.example.org`)");
}

TEST(R2_5, AnEndpointOfKindTlsIsHandedThroughByItsName) {
  const auto keys = keys_of(Options{}, kGateway, {vault()});
  const std::string router = "traefik/tcp/routers/ty_tiltyard_vault-ann-11_safe";
  EXPECT_EQ(keys.at(router + "/rule"), "HostSNI(`77aa.play.example`)");
  EXPECT_EQ(keys.at(router + "/tls"), "true");
  EXPECT_EQ(keys.at(router + "/tls/passthrough"), "true");
  EXPECT_EQ(keys.at(router + "/service"), "ty_tiltyard_gateway");
  EXPECT_EQ(keys.at("traefik/tcp/services/ty_tiltyard_gateway/loadbalancer/servers/0/address"), "127.0.0.1:8443");
  auto without = kGateway;
  without.tls_address.clear();
  for (const auto& [key, value] : keys_of(Options{}, without, {vault()})) EXPECT_FALSE(key.contains("/tcp/")) << key;
}

TEST(R2_5, WhatIsFoundByAPortStaysWithTheGateway) {
  Options options;
  options.catch_all = CatchAll::kNone;
  EXPECT_TRUE(
      keys_of(options, kGateway, {{"pwn-ann-1", "nc", EndpointKind::kTcp, {}, "10.64.0.4:1337", false}}).empty());
}

TEST(R2_5, PastTheGatewayGoesOnlyWhatDoesNotNeedIt) {
  Options options;
  options.to = To::kMachines;
  const std::string direct = "traefik/http/services/ty_tiltyard_web-ann-0af2_web/loadbalancer/servers/0/url";
  const auto keys = keys_of(options, kGateway, {page(), vault()});
  EXPECT_EQ(keys.at(direct), "http://10.64.0.2:80");
  EXPECT_EQ(keys.at("traefik/tcp/services/ty_tiltyard_vault-ann-11_safe/loadbalancer/servers/0/address"),
            "10.64.0.3:443");
  auto asleep = page();
  asleep.by_gateway = true;
  const auto other = keys_of(options, kGateway, {asleep});
  EXPECT_FALSE(other.contains(direct));
  EXPECT_EQ(other.at("traefik/http/routers/ty_tiltyard_web-ann-0af2_web/service"), "ty_tiltyard_gateway");
}

TEST(R2_5, OneWildcardIsAskedOfTheResolver) {
  Options options;
  options.cert_resolver = "le";
  options.middlewares = {"auth@file", "slow"};
  const auto keys = keys_of(options, kGateway, {page()});
  const std::string router = "traefik/http/routers/ty_tiltyard_web-ann-0af2_web";
  EXPECT_EQ(keys.at(router + "/tls/certresolver"), "le");
  EXPECT_EQ(keys.at(router + "/tls/domains/0/main"), "*.play.example");
  EXPECT_EQ(keys.at(router + "/middlewares/1"), "slow");
  options.tls = false;
  for (const auto& [key, value] : keys_of(options, kGateway, {page()})) EXPECT_FALSE(key.contains("/tls")) << key;
}

TEST(R2_5, NoValueIsEmptyAndNoPartOfAKeyIsANumberOrHasAnAt) {
  auto odd = page();
  odd.instance = "123", odd.endpoint = "45";
  auto worse = vault();
  worse.endpoint = "Main@x/y.z-9000";
  for (const auto& [key, value] : keys_of(Options{}, kGateway, {odd, worse})) {
    EXPECT_FALSE(value.empty()) << key;
    EXPECT_FALSE(key.contains('@')) << key;
    EXPECT_EQ(unit_of(Options{}, key).substr(0, 4) == "http" || unit_of(Options{}, key).substr(0, 3) == "tcp", true);
    EXPECT_TRUE(is_ours(Options{}, key)) << key;
  }
}

TEST(R2_5, OursIsWhatHasOurNameAndNothingElse) {
  const Options options;
  EXPECT_TRUE(is_ours(options, "traefik/http/routers/ty_tiltyard_ghost/rule"));
  EXPECT_TRUE(is_ours(options, "traefik/udp/services/ty_tiltyard_x/loadbalancer/servers/0/address"));
  EXPECT_FALSE(is_ours(options, "traefik/http/routers/blog/rule"));
  EXPECT_FALSE(is_ours(options, "traefik/http/routers/ty_tiltyard-two_web/rule")) << "another server's";
  EXPECT_FALSE(is_ours(options, "other/http/routers/ty_tiltyard_ghost/rule"));
  EXPECT_FALSE(is_ours(options, "traefik/http/routers/ty_tiltyard_"));
  EXPECT_FALSE(is_ours(options, "traefik"));
}

std::vector<std::string> told(const Commands& commands) {
  std::vector<std::string> out;
  for (const auto& words : commands) out.push_back(words[0] + " " + words[1]);
  return out;
}

TEST(R2_5, ServicesComeBeforeTheirRoutersAndGoAfterThem) {
  const Keys old{{"traefik/http/routers/ty_tiltyard_a/rule", "Host(`a`)"},
                 {"traefik/http/services/ty_tiltyard_a/loadbalancer/servers/0/url", "http://1"}};
  const Keys next{{"traefik/http/routers/ty_tiltyard_b/rule", "Host(`b`)"},
                  {"traefik/http/services/ty_tiltyard_b/loadbalancer/servers/0/url", "http://2"},
                  {"traefik/http/middlewares/mine/addprefix/prefix", "/x"}};
  const auto out = changes(Options{}, old, next);
  ASSERT_EQ(out.size(), 1u) << "all of it at once";
  EXPECT_EQ(told(out[0]),
            (std::vector<std::string>{"SET traefik/http/middlewares/mine/addprefix/prefix",
                                      "SET traefik/http/services/ty_tiltyard_b/loadbalancer/servers/0/url",
                                      "SET traefik/http/routers/ty_tiltyard_b/rule",
                                      "DEL traefik/http/routers/ty_tiltyard_a/rule",
                                      "DEL traefik/http/services/ty_tiltyard_a/loadbalancer/servers/0/url"}));
  EXPECT_TRUE(changes(Options{}, next, next).empty());
}

TEST(R2_5, ARouterIsNeverInTwoTransactions) {
  std::vector<Exported> many;
  for (int i = 0; i < 100; ++i) {
    auto one = page();
    one.instance = "web-" + std::to_string(i);
    many.push_back(one);
  }
  const auto out = changes(Options{}, {}, keys_of(Options{}, kGateway, many), 12);
  ASSERT_GT(out.size(), 40u);
  std::set<std::string> seen;
  for (const auto& commands : out) {
    EXPECT_LE(commands.size(), 12u);
    std::set<std::string> here;
    for (const auto& words : commands) here.insert(unit_of(Options{}, words[1]));
    for (const auto& unit : here) EXPECT_TRUE(seen.insert(unit).second) << unit;
  }
  EXPECT_EQ(told(out.front()).front(), "SET traefik/http/services/ty_tiltyard_gateway/loadbalancer/servers/0/url");
}

TEST(R2_5, ARouterThatChangesLosesWhatItNoLongerHas) {
  Options more;
  more.entry_points = {"web", "websecure"};
  const auto out = changes(Options{}, keys_of(more, kGateway, {page()}), keys_of(Options{}, kGateway, {page()}));
  ASSERT_EQ(out.size(), 1u);
  const auto words = told(out[0]);
  EXPECT_EQ(std::ranges::count(words, "DEL traefik/http/routers/ty_tiltyard_web-ann-0af2_web/entrypoints/1"), 1);
  EXPECT_EQ(std::ranges::count(words, "SET traefik/http/routers/ty_tiltyard_web-ann-0af2_web/entrypoints/0"), 1);
  EXPECT_EQ(words.size(), 4u) << "the one that catches the rest as well";
}

TEST(R2_5, KeysOfOnesOwnAreReadStrictly) {
  Options options;
  options.extra = "extra.keys";
  const auto read = parse_extra(options, "# ours\n\nhttp/middlewares/auth/basicauth/users/0 = ann:$apr1$x=\r\n");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, (Keys{{"traefik/http/middlewares/auth/basicauth/users/0", "ann:$apr1$x="}}));
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"a/b", "line 1: it has no"},
           {"a/b = 1\n= x", "line 2: the key"},
           {"a//b = 1", "the key"},
           {"a* = 1", "the key"},
           {"http/routers/x/tls =", "the value is empty"},
           {"http/routers/ty_tiltyard_x/rule = Host(`a`)", "begins like ours"},
           {"a/b = 1\na/b = 2", "line 2: the key is there twice"}}) {
    const auto bad = parse_extra(options, text);
    ASSERT_FALSE(bad) << text;
    EXPECT_TRUE(bad.error().message.contains(why)) << bad.error().message;
  }
  options.extra = "/nowhere/extra.keys";
  EXPECT_FALSE(read_extra(options));
  options.extra.clear();
  EXPECT_TRUE(read_extra(options)->empty());
}

}  // namespace
}  // namespace tiltyard::traefik
