// What would let somebody else stay in an account asks for a proof that is not old: row 7.2, ASVS 5.0 7.5.1 and 7.5.2.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <chrono>

#include "identity/testing.h"

namespace tiltyard::identity::testing {
namespace {

namespace json = boost::json;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr auto kPassword = "correct horse battery";
constexpr auto kLater = minutes{15};  ///< Options::proof_for as it is by default

Ask post(const std::string& path, const json::object& body) {
  return {"POST", "/api/v1" + path, json::serialize(body)};
}

Answered prove(Site& site, const std::string& cookie, const json::object& body) {
  return site(post("/me/proof", body).cookie(cookie));
}

json::object password(const std::string& text) { return {{"strategy", "local"}, {"password", text}}; }

/// What is asked of a session that is not fresh, but for what has a password in it.
std::vector<Ask> sensitive() {
  return {Ask("DELETE", "/api/v1/me/sessions"), Ask("DELETE", "/api/v1/me/sessions/nobody"),
          post("/me/tokens", {{"name", "laptop"}}), Ask("DELETE", "/api/v1/me/tokens/nobody")};
}

TEST(R7_2, EndingSessionsAndMakingTokensAsksForAProofThatIsNotOld) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  site.clock.advance(kLater - seconds{1});
  for (auto& ask : sensitive()) EXPECT_NE(site(ask.cookie(cookie)).reason(), "sign-in-again") << ask.request.target;
  site.clock.advance(seconds{1});
  for (auto& ask : sensitive()) {
    const auto answer = site(ask.cookie(cookie));
    EXPECT_EQ(answer.status, 403) << ask.request.target;
    EXPECT_EQ(answer.reason(), "sign-in-again") << ask.request.target;
  }
  EXPECT_EQ(site(Ask("GET", "/api/v1/me/sessions").cookie(cookie)).status, 200) << "to see them asks for nothing";
  EXPECT_EQ(prove(site, cookie, password(kPassword)).status, 204);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").cookie(cookie)).status, 200) << "the same session";
  for (auto& ask : sensitive()) EXPECT_NE(site(ask.cookie(cookie)).reason(), "sign-in-again") << ask.request.target;
  site.clock.advance(kLater);
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/sessions").cookie(cookie)).status, 403) << "and is old again";
}

TEST(R7_2, OnlyOnesOwnProofCountsAndGuessesAreCounted) {
  Site site;
  site.user("known", kPassword);
  site.user("other", "another good password");
  const auto cookie = site.sign_in("known", kPassword);
  const auto theirs = site.sign_in("other", "another good password");
  const auto token = site(post("/me/tokens", {{"name", "t"}}).cookie(theirs)).text("token");
  site.clock.advance(kLater);
  const json::object by_token{{"strategy", "token"}, {"token", token}};
  EXPECT_EQ(prove(site, cookie, by_token).reason(), "credentials-wrong") << "somebody else's token";
  json::object named = password("another good password");
  named["name"] = "other";
  EXPECT_EQ(prove(site, cookie, named).reason(), "invalid-body") << "whose proof it is is not for the body to say";
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/sessions").cookie(cookie)).reason(), "sign-in-again");
  EXPECT_EQ(prove(site, theirs, by_token).status, 204) << "the control: it is good for its owner";
  EXPECT_EQ(prove(site, cookie, {{"strategy", "oidc"}}).reason(), "invalid-body");
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(prove(site, cookie, password("guess number " + std::to_string(i))).status, 401);
  EXPECT_EQ(prove(site, cookie, password(kPassword)).status, 429);
}

TEST(R7_2, TokensAndSeatsAreProofsThemselves) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto token = site(post("/me/tokens", {{"name", "t"}}).cookie(cookie)).text("token");
  const auto seat = site(Ask("POST", "/api/v1/session", R"({"strategy":"address"})").from("192.168.7.7")).cookie();
  site.clock.advance(kLater * 2);
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/sessions").bearer(token)).status, 204);
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/sessions").cookie(seat).from("192.168.7.7")).status, 204);
  EXPECT_TRUE(site(Ask("GET", "/api/v1/me").bearer(token)).body.at("proof").is_null());
}

TEST(R7_2, WhoHasNoPasswordSetsOneSoonAfterTheLinkOrNotAtAll) {
  Site site;
  const auto link = site.run(site.service->setup_link());
  ASSERT_TRUE(link && *link);
  const auto cookie = site(post("/session", {{"strategy", "link"}, {"token", (*link)->reveal()}})).cookie();
  site.clock.advance(kLater);
  const auto late = site(Ask("PUT", "/api/v1/me/password", R"({"new":"correct horse battery"})").cookie(cookie));
  EXPECT_EQ(late.reason(), "sign-in-again");
  EXPECT_NE(late.text("detail").find("link"), std::string::npos) << "it says what to do";
  EXPECT_EQ(site(Ask("PATCH", "/api/v1/me", R"({"email":"a@ctf.example"})").cookie(cookie)).reason(), "sign-in-again");
}

TEST(R7_2, TheOldPasswordIsProofEnoughForANewOne) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  site.clock.advance(kLater);
  const auto changed =
      site(Ask("PUT", "/api/v1/me/password", R"({"old":"correct horse battery","new":"another good password"})")
               .cookie(cookie));
  ASSERT_EQ(changed.status, 204);
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/me/sessions").cookie(changed.cookie())).status, 204);
}

TEST(R7_2, APlayerWhomStaffMoveToAnotherTeamSignsInAnew) {
  Site site;
  const auto id = site.user("moved", kPassword);
  const auto staff = site.admin();
  const auto team = site(post("/admin/teams", {{"name", "Red"}}).bearer(staff)).text("id");
  const auto place = "/api/v1/admin/teams/" + team + "/members/" + id;
  const auto enter = [&] { return site.sign_in("moved", kPassword); };
  const auto gone = [&](const std::string& cookie) {
    return site(Ask("GET", "/api/v1/me").cookie(cookie)).status == 401;
  };

  auto cookie = enter();
  EXPECT_EQ(site(Ask("PUT", place).bearer(staff)).status, 204);
  EXPECT_TRUE(gone(cookie)) << "put in";
  cookie = enter();
  EXPECT_EQ(site(Ask("PUT", place).bearer(staff)).status, 204);
  EXPECT_FALSE(gone(cookie)) << "in it already: nothing has changed";
  EXPECT_EQ(site(Ask("DELETE", place).bearer(staff)).status, 204);
  EXPECT_TRUE(gone(cookie)) << "taken out";
  cookie = enter();
  const auto user = "/api/v1/admin/users/" + id;
  EXPECT_EQ(site(Ask("PATCH", user, R"({"email":"moved@ctf.example"})").bearer(staff)).status, 200);
  EXPECT_FALSE(gone(cookie)) << "an address is no right";
  EXPECT_EQ(site(Ask("PATCH", user, R"({"team":"Red"})").bearer(staff)).status, 200);
  EXPECT_TRUE(gone(cookie)) << "by the user's page";
  cookie = enter();
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/admin/teams/" + team).bearer(staff)).status, 204);
  EXPECT_TRUE(gone(cookie)) << "the team is gone";
}

TEST(R7_2, ALinkThatWaitsOutlivesItsOwnersWayIntoATeam) {
  Site site;
  const auto made = site(post("/admin/users", {{"name", "fresh"}}).bearer(site.admin()));
  const auto url = made.text("sign_in_url");
  EXPECT_EQ(
      site(Ask("PATCH", "/api/v1/admin/users/" + made.text("id"), R"({"team":"Red"})").bearer(site.admin())).status,
      200);
  EXPECT_EQ(site(post("/session", {{"strategy", "link"}, {"token", url.substr(url.find('#') + 1)}})).status, 201);
}

}  // namespace
}  // namespace tiltyard::identity::testing
