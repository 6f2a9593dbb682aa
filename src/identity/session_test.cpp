// Signing in and staying signed in: rows 7.1 and 7.2.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <future>

#include "identity/testing.h"

namespace tiltyard::identity::testing {
namespace {

namespace json = boost::json;

constexpr auto kPassword = "correct horse battery";

Ask local(const std::string& name, const std::string& password) {
  return Ask("POST", "/api/v1/session",
             json::serialize(json::object{{"strategy", "local"}, {"name", name}, {"password", password}}));
}

Ask by_link(const std::string& token) {
  return Ask("POST", "/api/v1/session", json::serialize(json::object{{"strategy", "link"}, {"token", token}}));
}

Ask by_token(const std::string& token) {
  return Ask("POST", "/api/v1/session", json::serialize(json::object{{"strategy", "token"}, {"token", token}}));
}

Ask by_address(const std::string& address) {
  return Ask("POST", "/api/v1/session", R"({"strategy":"address"})").from(address);
}

Ask me(const std::string& cookie) { return Ask("GET", "/api/v1/me").cookie(cookie); }

std::string setup_link(Site& site) {
  auto link = site.run(site.service->setup_link());
  return link && *link ? (*link)->reveal() : std::string();
}

TEST(R7_1, PasswordOpensASession) {
  Site site;
  site.user("Zoë", kPassword);
  const auto answer = site(local("zoë", kPassword));
  ASSERT_EQ(answer.status, 201);
  EXPECT_EQ(answer.text("name"), "Zoë");
  EXPECT_EQ(answer.text("strategy"), "local");
  const std::string set(answer.headers.get("Set-Cookie"));
  EXPECT_TRUE(set.starts_with("tiltyard="));
  for (const auto* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=604800"})
    EXPECT_NE(set.find(part), std::string::npos) << set;
  EXPECT_EQ(set.find("Secure"), std::string::npos);
  EXPECT_EQ(site(me(answer.cookie())).text("name"), "Zoë");
}

TEST(R7_1, WrongPasswordUnknownUserAndNoPasswordLookAlike) {
  Site site;
  site.user("known", kPassword);
  site.user("without", "");
  const auto wrong = site(local("known", "something else"));
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.reason(), "credentials-wrong");
  for (const auto* name : {"nobody", "without"}) {
    const auto answer = site(local(name, kPassword));
    EXPECT_EQ(answer.status, wrong.status);
    EXPECT_EQ(answer.body, wrong.body) << name;
  }
}

TEST(R7_1, UnknownUserTakesAsLongAsAWrongPassword) {
  auto options = Site::fast();
  options.argon_memory = 16 * 1024 * 1024;
  options.argon_passes = 2;
  Site site(options);
  site.user("known", kPassword);
  // The process's own time, not the wall's: what else the machine does is none of it.
  const auto cost = [&](const std::string& name) {
    timespec begun{}, ended{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    site(local(name, "something else"));
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    return static_cast<double>(ended.tv_sec - begun.tv_sec) * 1e3 +
           static_cast<double>(ended.tv_nsec - begun.tv_nsec) / 1e6;
  };
  std::vector<double> for_known, for_unknown;
  for (int i = 0; i < 9; ++i) {
    for_known.push_back(cost("known"));
    for_unknown.push_back(cost("nobody"));
  }
  std::ranges::sort(for_known);
  std::ranges::sort(for_unknown);
  const auto known = for_known[4];
  const auto unknown = for_unknown[4];
  // Without the same work an unknown name would be answered in a hundredth of the time.
  EXPECT_GT(unknown, known / 2) << known << " ms known, " << unknown << " ms unknown";
  EXPECT_LT(unknown, known * 2) << known << " ms known, " << unknown << " ms unknown";
}

TEST(R7_1, TenFailuresCloseTheDoorForTenMinutes) {
  Site site;
  site.user("known", kPassword);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(site(local("known", "something else")).status, 401);
  const auto closed = site(local("KNOWN", kPassword));
  EXPECT_EQ(closed.status, 429);
  EXPECT_EQ(closed.reason(), "limit-reached");
  EXPECT_EQ(closed.headers.get("Retry-After"), "600");
  EXPECT_EQ(site(local("known", kPassword).from("192.0.2.2")).status, 201) << "another address is not to blame";
  site.clock.advance(std::chrono::minutes{10});
  EXPECT_EQ(site(local("known", kPassword)).status, 201);
}

TEST(R7_1, ManyAttemptsAtOnceDoNotSlipThrough) {
  Site site;
  site.user("known", kPassword);
  std::vector<Ask> asks;
  for (int i = 0; i < 25; ++i) asks.push_back(local("known", "guess number " + std::to_string(i)));
  const auto answers = site.together(std::move(asks));
  EXPECT_EQ(std::ranges::count(answers, 401, &Answered::status), 10);
  EXPECT_EQ(std::ranges::count(answers, 429, &Answered::status), 15);
}

TEST(R7_1, HashesThatWaitAreBounded) {
  auto options = Site::fast();
  options.hash_queue = 4;
  Site site(options);
  std::vector<Ask> asks;
  for (int i = 0; i < 12; ++i) asks.push_back(local("name" + std::to_string(i), kPassword));
  std::promise<void> go;
  site.hold_hashing(go.get_future().share());
  const auto answers = site.together(std::move(asks), [&](std::size_t answered) {
    if (answered == 8) go.set_value();
  });
  EXPECT_EQ(std::ranges::count(answers, 401, &Answered::status), 4);
  EXPECT_EQ(std::ranges::count(answers, 503, &Answered::status), 8);
  const auto busy = std::ranges::find(answers, 503, &Answered::status);
  EXPECT_EQ(busy->reason(), "queue-full");
  EXPECT_TRUE(busy->headers.has("Retry-After"));
}

TEST(R7_1, AnOlderCostIsRaisedAtSignIn) {
  Site site;
  site.user("known", kPassword);
  EXPECT_NE(site.database().find("$argon2id$v=19$m=1024,t=1,p=1$"), std::string::npos);
  auto options = Site::fast();
  options.argon_memory = 2 * 1024 * 1024;
  site.restart(options);
  EXPECT_EQ(site(local("known", kPassword)).status, 201);
  EXPECT_NE(site.database().find("$argon2id$v=19$m=2048,t=1,p=1$"), std::string::npos);
  EXPECT_EQ(site(local("known", kPassword)).status, 201);
}

TEST(R7_1, SetupLinkWorksOnceAndMakesAnAdmin) {
  Site site;
  EXPECT_TRUE(site(Ask("GET", "/api/v1/auth")).body.at("needs_setup").as_bool());
  const auto replaced = setup_link(site);
  const auto link = setup_link(site);
  EXPECT_EQ(site(by_link(replaced)).status, 401) << "a new link replaces the one before";
  const auto first = site(by_link(link));
  ASSERT_EQ(first.status, 201);
  EXPECT_EQ(first.text("name"), "admin");
  EXPECT_EQ(first.body.at("roles").as_array().size(), 4U);
  EXPECT_EQ(site(by_link(link)).status, 401);
  EXPECT_FALSE(site(Ask("GET", "/api/v1/auth")).body.at("needs_setup").as_bool());
  EXPECT_EQ(setup_link(site), "") << "an administrator has signed in";
  EXPECT_EQ(site(Ask("PUT", "/api/v1/me/password", R"({"new":"correct horse battery"})").cookie(first.cookie())).status,
            204);
  EXPECT_EQ(site(local("admin", kPassword)).status, 201);
}

TEST(R7_1, OfTwoWhoComeWithOneLinkOneGetsIn) {
  for (int round = 0; round < 5; ++round) {
    Site site;
    const auto link = setup_link(site);
    std::vector<Ask> asks(4, by_link(link));
    const auto answers = site.together(std::move(asks));
    EXPECT_EQ(std::ranges::count(answers, 201, &Answered::status), 1);
    EXPECT_EQ(std::ranges::count(answers, 401, &Answered::status), 3);
  }
}

TEST(R7_1, LinkExpires) {
  Site site;
  const auto link = setup_link(site);
  site.clock.advance(std::chrono::hours{24});
  EXPECT_EQ(site(by_link(link)).reason(), "credentials-wrong");
}

TEST(R7_1, TokenIsShownOnceWorksAndStopsAtOnce) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto made = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie));
  ASSERT_EQ(made.status, 201);
  const auto secret = made.text("token");
  EXPECT_TRUE(secret.starts_with("ty_"));
  EXPECT_EQ(secret.size(), 43U);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).text("strategy"), "token");
  const auto list = site(Ask("GET", "/api/v1/me/tokens").bearer(secret));
  ASSERT_EQ(list.body.at("items").as_array().size(), 1U);
  EXPECT_FALSE(list.body.at("items").at(0).as_object().contains("token"));

  const auto session = site(by_token(secret)).cookie();
  EXPECT_EQ(site(me(session)).status, 200);
  // Both are answered from memory now, and must not be once the token is gone.
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/tokens/" + made.text("id")).cookie(cookie)).status, 204);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).reason(), "not-signed-in");
  EXPECT_EQ(site(me(session)).status, 401) << "a session made with the token ends with it";
  EXPECT_EQ(site(me(cookie)).status, 200);
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/tokens/" + made.text("id")).cookie(cookie)).reason(), "token-unknown");
}

TEST(R7_1, TokenExpires) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto secret =
      site(Ask("POST", "/api/v1/me/tokens", R"({"name":"short","expires_in_s":60})").cookie(cookie)).text("token");
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).status, 200);
  const auto session = site(by_token(secret)).cookie();
  EXPECT_EQ(site(me(session)).status, 200);
  site.clock.advance(std::chrono::seconds{60});
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).status, 401);
  EXPECT_EQ(site(me(session)).status, 401);
}

TEST(R7_1, LastUseIsWrittenOnceAMinute) {
  Site site;
  int users = 0;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto secret = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie)).text("token");
  const auto use = [&] { EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).status, 200); };
  const auto last_use = [&] {
    // Writes are done in turn: once this one has answered, what was asked for before it is done too.
    site.user("somebody " + std::to_string(++users), kPassword);
    return site(Ask("GET", "/api/v1/me/tokens").cookie(cookie)).body.at("items").at(0).at("last_used_at");
  };
  EXPECT_TRUE(last_use().is_null());
  use();
  const auto first = to_rfc3339(site.clock.now());
  EXPECT_EQ(last_use(), json::value(first));
  site.clock.advance(std::chrono::seconds{59});
  use();
  EXPECT_EQ(last_use(), json::value(first));
  site.clock.advance(std::chrono::seconds{1});
  use();
  EXPECT_EQ(last_use(), json::value(to_rfc3339(site.clock.now())));
}

TEST(R7_1, LastUseShowsBeforeItIsWritten) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto secret = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie)).text("token");
  site(Ask("GET", "/api/v1/me").bearer(secret));
  const auto list = site(Ask("GET", "/api/v1/me/tokens").cookie(cookie));
  EXPECT_EQ(list.body.at("items").at(0).at("last_used_at"), json::value(to_rfc3339(site.clock.now())));
}

TEST(R7_1, SameSeatSameOwner) {
  Site site;
  const auto first = site(by_address("10.1.2.3"));
  ASSERT_EQ(first.status, 201);
  EXPECT_EQ(first.text("kind"), "address");
  EXPECT_EQ(first.text("name"), "10.1.2.3");
  EXPECT_EQ(site(by_address("10.1.2.3")).text("id"), first.text("id"));
  EXPECT_EQ(site(by_address("::ffff:10.1.2.3")).text("id"), first.text("id"));
  EXPECT_NE(site(by_address("10.1.2.4")).text("id"), first.text("id"));
  EXPECT_EQ(site(me(first.cookie()).from("10.1.2.3")).status, 200);
  EXPECT_EQ(site(me(first.cookie()).from("10.1.2.4")).status, 401)
      << "a seat's session is worth nothing at another seat";
}

TEST(R7_1, OnlyTheHallSignsInByAddress) {
  auto options = Site::fast();
  options.hall = {"10.20.0.0/16", "2001:db8::/64"};
  Site site(options);
  EXPECT_EQ(site(by_address("10.20.255.1")).status, 201);
  EXPECT_EQ(site(by_address("2001:db8::5")).status, 201);
  for (const auto* outside : {"10.21.0.1", "127.0.0.1", "2001:db8:0:1::5", "203.0.113.9", "no address"}) {
    const auto answer = site(by_address(outside));
    EXPECT_EQ(answer.status, 403) << outside;
    EXPECT_EQ(answer.reason(), "forbidden");
  }
  const auto seat = site(by_address("10.20.0.7")).cookie();
  options.hall = {"10.30.0.0/16"};
  site.restart(options);
  EXPECT_EQ(site(me(seat).from("10.20.0.7")).status, 401) << "the hall has moved";
}

TEST(R7_1, ForwardedForIsBelievedFromTrustedProxiesOnly) {
  auto options = Site::fast();
  options.hall = {"10.20.0.0/16"};
  options.trusted_proxies = {"203.0.113.0/24"};
  Site site(options);
  const auto forwarded = [&](const std::string& peer, const std::string& chain) {
    return site(by_address(peer).header("X-Forwarded-For", chain));
  };
  EXPECT_EQ(forwarded("198.51.100.1", "10.20.0.1").status, 403) << "anybody can write the header";
  EXPECT_EQ(forwarded("203.0.113.1", "10.20.0.1").text("name"), "10.20.0.1");
  EXPECT_EQ(forwarded("203.0.113.1", "10.20.0.9, 10.20.0.1, 203.0.113.2").text("name"), "10.20.0.1")
      << "the nearest that is no proxy";
  EXPECT_EQ(forwarded("203.0.113.1", "10.20.0.1, 198.51.100.7").status, 403)
      << "what an untrusted hop says is not believed";
  EXPECT_EQ(forwarded("203.0.113.1", "10.20.0.1, rubbish").status, 403);
}

TEST(R7_1, StrategiesAreSwitchedOff) {
  auto options = Site::fast();
  options.strategies = {"local"};
  Site site(options);
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto secret = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie)).text("token");
  EXPECT_EQ(site(by_token(secret)).status, 403);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).status, 401);
  EXPECT_EQ(site(by_address("10.1.2.3")).status, 403);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(site.admin())).status, 200) << "the admin token always works";
  EXPECT_EQ(site(Ask("POST", "/api/v1/session", R"({"strategy":"magic"})")).status, 400);
  EXPECT_EQ(json::serialize(site(Ask("GET", "/api/v1/auth")).body.at("strategies")), R"(["local"])");
}

TEST(R7_1, MalformedBodiesAreRefused) {
  Site site;
  for (const auto* body : {"", "[]", "{", R"({"strategy":7})", R"({"strategy":"local"})",
                           R"({"strategy":"local","name":[],"password":""})", R"({"strategy":"link","token":{}})"}) {
    const auto answer = site(Ask("POST", "/api/v1/session", body));
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.reason(), "invalid-body") << body;
  }
  for (const auto* authorization : {"Bearer", "Bearer ", "Basic YTpi", "Bearer ty_short", "Bearer x"}) {
    EXPECT_EQ(site(Ask("GET", "/api/v1/me").header("Authorization", authorization)).status, 401) << authorization;
  }
}

TEST(R7_2, SessionEndsAfterSevenDays) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  site.clock.advance(std::chrono::hours{7 * 24} - std::chrono::seconds{1});
  EXPECT_EQ(site(me(cookie)).status, 200);
  site.clock.advance(std::chrono::seconds{1});
  const auto ended = site(me(cookie));
  EXPECT_EQ(ended.status, 401);
  EXPECT_EQ(ended.reason(), "not-signed-in");
}

TEST(R7_2, SessionsOutliveARestart) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  site.restart(Site::fast());
  EXPECT_EQ(site(me(cookie)).status, 200);
}

TEST(R7_2, SigningOutEndsTheSession) {
  Site site;
  site.user("known", kPassword);
  const auto one = site.sign_in("known", kPassword);
  const auto other = site.sign_in("known", kPassword);
  const auto out = site(Ask("DELETE", "/api/v1/session").cookie(one));
  EXPECT_EQ(out.status, 204);
  EXPECT_NE(std::string(out.headers.get("Set-Cookie")).find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(site(me(one)).status, 401);
  EXPECT_EQ(site(me(other)).status, 200);
}

TEST(R7_2, WhatWasPlantedBeforeSignInIsWorthNothingAfterIt) {
  Site site;
  site.user("victim", kPassword);
  site.user("attacker", kPassword);
  const std::string invented(43, 'A');
  EXPECT_NE(site(local("victim", kPassword).cookie(invented)).cookie(), invented);
  EXPECT_EQ(site(me(invented)).status, 401);

  const auto planted = site.sign_in("attacker", kPassword);
  EXPECT_EQ(site(me(planted)).status, 200);
  const auto fresh = site(local("victim", kPassword).cookie(planted)).cookie();
  EXPECT_NE(fresh, planted);
  EXPECT_EQ(site(me(fresh)).text("name"), "victim");
  EXPECT_EQ(site(me(planted)).status, 401) << "the session that the browser had has ended";
}

TEST(R7_2, TlsMeansAHostCookie) {
  auto options = Site::fast();
  options.trusted_proxies = {"203.0.113.1"};
  Site site(options);
  site.user("known", kPassword);
  auto direct = local("known", kPassword);
  direct.request.secure = true;
  const auto proxied = local("known", kPassword).from("203.0.113.1").header("X-Forwarded-Proto", "https");
  for (const auto& ask : {direct, proxied}) {
    const auto answer = site(ask);
    const std::string set(answer.headers.get("Set-Cookie"));
    EXPECT_TRUE(set.starts_with("__Host-tiltyard=")) << set;
    EXPECT_NE(set.find("; Secure"), std::string::npos);
    auto with_it = Ask("GET", "/api/v1/me").cookie(answer.cookie(), "__Host-tiltyard");
    with_it.request.secure = true;
    EXPECT_EQ(site(with_it).status, 200);
    auto plain_name = Ask("GET", "/api/v1/me").cookie(answer.cookie());
    plain_name.request.secure = true;
    EXPECT_EQ(site(plain_name).status, 401) << "a neighbouring host could have set the plain name";
  }
  const auto untrusted = local("known", kPassword).header("X-Forwarded-Proto", "https");
  EXPECT_TRUE(std::string(site(untrusted).headers.get("Set-Cookie")).starts_with("tiltyard="));
}

TEST(R7_2, RequestsOfOtherSitesAreRefused) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto make = [&] { return Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie); };
  EXPECT_EQ(site(make()).status, 201);
  EXPECT_EQ(site(make().header("Sec-Fetch-Site", "same-origin")).status, 201);

  auto without = make();
  without.request.headers.remove("X-Tiltyard-Csrf");
  std::vector<Ask> foreign = {without,
                              make().header("Origin", "http://evil.example"),
                              make().header("Origin", "http://machine.tiltyard.example"),
                              make().header("Origin", "null"),
                              make().header("Sec-Fetch-Site", "same-site"),
                              make().header("Sec-Fetch-Site", "cross-site")};
  for (auto& ask : foreign) {
    const auto answer = site(ask);
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.reason(), "csrf");
  }
  EXPECT_EQ(site(Ask("GET", "/api/v1/me/tokens").cookie(cookie)).body.at("items").as_array().size(), 2U);
  EXPECT_EQ(site(local("known", kPassword).header("Origin", "http://evil.example")).reason(), "csrf")
      << "signing somebody in is a change too";
  auto token = Ask("POST", "/api/v1/me/tokens", R"({"name":"by script"})").bearer(site.admin());
  EXPECT_EQ(site(token).status, 201) << "a bearer token is never sent by itself";
}

TEST(R7_2, WebSocketsBySessionMustComeFromOurPage) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto upgrade = [&] { return me(cookie).header("Upgrade", "websocket"); };
  EXPECT_EQ(site(upgrade()).status, 200);
  EXPECT_EQ(site(upgrade().header("Origin", "http://machine.tiltyard.example")).reason(), "csrf");
  auto silent = upgrade();
  silent.request.headers.remove("Origin");
  EXPECT_EQ(site(silent).reason(), "csrf");
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").header("Upgrade", "websocket").bearer(site.admin())).status, 200);
}

TEST(R7_2, AdminTokenSessionEndsWithTheToken) {
  Site site;
  const auto answer = site(by_token(site.admin()));
  ASSERT_EQ(answer.status, 201);
  EXPECT_EQ(answer.text("kind"), "service");
  const auto cookie = answer.cookie();
  site.restart(Site::fast());
  EXPECT_EQ(site(me(cookie)).status, 200);
  auto options = Site::fast();
  options.admin_token = Secret("another-admin-token-that-is-long");
  site.restart(options);
  EXPECT_EQ(site(me(cookie)).status, 401);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer("another-admin-token-that-is-long")).status, 200);
}

}  // namespace
}  // namespace tiltyard::identity::testing
