// Accounts, roles, teams and what is kept of their secrets: rows 7.1 to 7.3.
#include <gtest/gtest.h>
#include <algorithm>

#include <boost/json/serialize.hpp>

#include <sys/stat.h>

#include <filesystem>

#include "identity/scopes.h"
#include "identity/testing.h"

namespace tiltyard::identity::testing {
namespace {

namespace json = boost::json;

constexpr auto kPassword = "correct horse battery";

Ask change(Site& site, const std::string& id, const std::string& body) {
  return Ask("PATCH", "/api/v1/admin/users/" + id, body).bearer(site.admin());
}

Ask me(const std::string& cookie) { return Ask("GET", "/api/v1/me").cookie(cookie); }

TEST(R7_1, EveryRouteAsksForItsRole) {
  Site site;
  std::map<Role, std::string> cookies;
  for (const Role role : {Role::kPlayer, Role::kAuthor, Role::kOperator, Role::kAdmin}) {
    const std::string name(to_string(role));
    site.user(name, kPassword, name);
    cookies[role] = site.sign_in(name, kPassword);
  }
  for (const auto& route : site.routes().all()) {
    auto path = route.pattern;
    if (const auto id = path.find("{id}"); id != std::string::npos) path.replace(id, 4, "nobody");
    if (route.method == "DELETE" && (path.ends_with("/session") || path.ends_with("/admin/sessions")))
      continue;  // ends sessions that ask
    const auto ask = [&] { return Ask(route.method, path, "{}"); };
    const auto least = least_role(route.rights.access);
    EXPECT_EQ(site(ask()).status == 401, least.has_value()) << route.method << " " << path;
    for (const auto& [role, cookie] : cookies) {
      const bool allowed = !least || role >= *least;
      const auto answer = site(ask().cookie(cookie));
      EXPECT_EQ(answer.reason() == "forbidden", !allowed) << route.method << " " << path << " as " << to_string(role);
    }
  }
}

TEST(R7_2, RoleChangeInMidSessionEndsTheSessionAndTakesEffectAtOnce) {
  Site site;
  const auto id = site.user("known", kPassword);
  const auto before = site.sign_in("known", kPassword);
  const auto token = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(before)).text("token");
  const auto list = [&](const std::string& cookie) {
    return site(Ask("GET", "/api/v1/admin/users").cookie(cookie)).status;
  };
  EXPECT_EQ(list(before), 403);
  EXPECT_EQ(site(change(site, id, R"({"role":"operator"})")).status, 200);
  EXPECT_EQ(list(before), 401) << "whoever knew the cookie of a player has none of an operator";
  const auto operating = site.sign_in("known", kPassword);
  EXPECT_EQ(list(operating), 200);
  EXPECT_EQ(site(Ask("GET", "/api/v1/admin/users").bearer(token)).status, 200) << "a token has its maker's role";
  EXPECT_EQ(site(change(site, id, R"({"role":"player"})")).status, 200);
  EXPECT_EQ(list(operating), 401);
  EXPECT_EQ(list(site.sign_in("known", kPassword)), 403);
  EXPECT_EQ(site(Ask("GET", "/api/v1/admin/users").bearer(token)).status, 403) << "and loses it with the maker";
}

TEST(R7_1, DisabledUserIsOutAtOnceAndComesBack) {
  Site site;
  const auto id = site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto secret = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie)).text("token");
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).status, 200);
  EXPECT_EQ(site(change(site, id, R"({"disabled":true})")).status, 200);
  EXPECT_EQ(site(me(cookie)).status, 401);
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(secret)).status, 401);
  EXPECT_EQ(site.sign_in("known", kPassword), "");
  EXPECT_EQ(site(change(site, id, R"({"disabled":false})")).status, 200);
  EXPECT_NE(site.sign_in("known", kPassword), "");
  EXPECT_EQ(site(me(cookie)).status, 401) << "the old session stays ended";
}

TEST(R7_1, DeletedUserIsGoneButItsNameIsRemembered) {
  Site site;
  std::vector<std::string> told;
  site.service->on_user_deleted([&](UserId id) { told.push_back(id.str()); });
  const auto id = site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  EXPECT_EQ(site(me(cookie)).status, 200);
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/admin/users/" + id).bearer(site.admin())).status, 204);
  EXPECT_EQ(site(me(cookie)).status, 401);
  EXPECT_EQ(site.sign_in("known", kPassword), "");
  EXPECT_EQ(told, std::vector{id});
  EXPECT_EQ(site(Ask("DELETE", "/api/v1/admin/users/" + id).bearer(site.admin())).reason(), "user-unknown");
  EXPECT_EQ(site.run(site.service->display_name(id)).value(), "known");
  const auto again = site.user("known", kPassword);
  EXPECT_NE(again, "");
  EXPECT_NE(again, id) << "the name is free, the identity is not";
}

TEST(R7_1, PasswordChangeEndsTheOtherSessionsAndLinks) {
  Site site;
  const auto id = site.user("known", kPassword);
  const auto here = site.sign_in("known", kPassword);
  const auto elsewhere = site.sign_in("known", kPassword);
  const auto put = [&](const char* body) { return site(Ask("PUT", "/api/v1/me/password", body).cookie(here)); };
  EXPECT_EQ(put(R"({"new":"another good password"})").reason(), "invalid-body") << "the old one is needed";
  EXPECT_EQ(put(R"({"old":"wrong","new":"another good password"})").reason(), "credentials-wrong");
  EXPECT_EQ(put(R"({"old":"correct horse battery","new":"short"})").reason(), "invalid-body");
  const auto changed = put(R"({"old":"correct horse battery","new":"another good password"})");
  EXPECT_EQ(changed.status, 204);
  EXPECT_EQ(site(me(here)).status, 401) << "the cookie of before is worth nothing";
  EXPECT_EQ(site(me(changed.cookie())).status, 200);
  EXPECT_EQ(site(me(elsewhere)).status, 401);
  EXPECT_EQ(site.sign_in("known", kPassword), "");
  EXPECT_NE(site.sign_in("known", "another good password"), "");
}

TEST(R7_1, OldPasswordCannotBeGuessedWithABorrowedSession) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto guess = [&] {
    return site(Ask("PUT", "/api/v1/me/password", R"({"old":"a guess","new":"another good password"})").cookie(cookie));
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(guess().status, 401);
  EXPECT_EQ(guess().status, 429);
}

TEST(R7_1, UserWithoutPasswordGetsALink) {
  Site site;
  const auto made = site(Ask("POST", "/api/v1/admin/users", R"({"name":"guest"})").bearer(site.admin()));
  ASSERT_EQ(made.status, 201);
  const auto url = made.text("sign_in_url");
  constexpr std::string_view kBefore = "http://tiltyard.example/signin#";
  ASSERT_TRUE(url.starts_with(kBefore)) << url;
  const json::object body{{"strategy", "link"}, {"token", url.substr(kBefore.size())}};
  EXPECT_EQ(site(Ask("POST", "/api/v1/session", json::serialize(body))).text("name"), "guest");

  const auto reset = site(change(site, made.text("id"), R"({"password":null})"));
  EXPECT_TRUE(reset.text("sign_in_url").starts_with(kBefore));
}

TEST(R7_1, NamesAreUniqueWithoutRegardToCase) {
  Site site;
  const auto make = [&](const char* name) {
    return site(
        Ask("POST", "/api/v1/admin/users", json::serialize(json::object{{"name", name}, {"password", kPassword}}))
            .bearer(site.admin()));
  };
  EXPECT_EQ(make("Jürgen").status, 201);
  const auto twin = make("JÜRGEN");
  EXPECT_EQ(twin.status, 409);
  EXPECT_EQ(twin.reason(), "user-exists");
  const auto other = make("other");
  EXPECT_EQ(site(change(site, other.text("id"), R"({"name":"jürgen"})")).status, 409);
  EXPECT_EQ(site(change(site, other.text("id"), R"({"name":"OTHER"})")).text("name"), "OTHER");
}

TEST(R7_1, BadUsersAreRefused) {
  Site site;
  for (const auto* body :
       {R"({})", R"({"name":""})", R"({"name":"a\nb"})", R"({"name":" a"})", R"({"name":"a","role":"king"})",
        R"({"name":"a","password":"short"})", R"({"name":"abcdefghijk","password":"ABCDEFGHIJK"})",
        R"({"name":"a","team":""})", R"({"name":"a","roles":["admin"]})", R"({"name":"a","disabled":1})"}) {
    const auto answer = site(Ask("POST", "/api/v1/admin/users", body).bearer(site.admin()));
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.reason(), "invalid-body") << body;
  }
  EXPECT_EQ(site(change(site, "nobody", "{}")).reason(), "user-unknown");
  EXPECT_EQ(site(change(site, "admin-token", R"({"role":"player"})")).status, 404);
}

TEST(R7_1, UsersArePaged) {
  Site site;
  for (int i = 0; i < 5; ++i) site.user("user" + std::to_string(i), kPassword);
  std::vector<std::string> names, ids;
  std::string cursor;
  for (int page = 0; page < 10; ++page) {
    const auto answer = site(Ask("GET", "/api/v1/admin/users?limit=2&cursor=" + cursor).bearer(site.admin()));
    for (const auto& user : answer.body.at("items").as_array()) {
      names.emplace_back(user.at("name").as_string());
      ids.emplace_back(user.at("id").as_string());
    }
    if (answer.body.at("next").is_null()) break;
    cursor = answer.text("next");
  }
  // Ids are in the order of the milliseconds in which people came; two of one millisecond are in either.
  EXPECT_TRUE(std::ranges::is_sorted(ids));
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"user0", "user1", "user2", "user3", "user4"}));
  EXPECT_EQ(site(Ask("GET", "/api/v1/admin/users?limit=0").bearer(site.admin())).reason(), "invalid-query");
}

TEST(R7_2, NoSecretIsInTheDatabase) {
  Site site;
  site.user("known", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto token = site(Ask("POST", "/api/v1/me/tokens", R"({"name":"laptop"})").cookie(cookie)).text("token");
  const auto made = site(Ask("POST", "/api/v1/admin/users", R"({"name":"guest"})").bearer(site.admin()));
  const auto link = made.text("sign_in_url").substr(made.text("sign_in_url").find('#') + 1);
  ASSERT_EQ(site(Ask("POST", "/api/v1/session", R"({"strategy":"token","token":")" + site.admin() + "\"}")).status,
            201);
  const auto bytes = site.database();
  ASSERT_NE(bytes.find("laptop"), std::string::npos) << "we do look at the right files";
  for (const auto& secret : {std::string(kPassword), cookie, token, token.substr(3), link, site.admin()}) {
    ASSERT_GT(secret.size(), 10U);
    EXPECT_EQ(bytes.find(secret), std::string::npos);
  }
}

TEST(R7_2, AdminTokenFileIsClosedToOthers) {
  Site site;
  const auto path = site.folder() + "/admin.token";
  const auto mode = [&] {
    struct stat info{};
    ::stat(path.c_str(), &info);
    return info.st_mode & 07777;
  };
  EXPECT_EQ(mode(), 0600U);
  const auto token = site.admin();
  EXPECT_GE(token.size(), 40U);
  ::chmod(path.c_str(), 0644);
  site.restart(Site::fast());
  EXPECT_EQ(mode(), 0600U);
  EXPECT_EQ(site.admin(), token);
  for (const auto& entry : std::filesystem::directory_iterator(site.folder())) {
    const auto name = entry.path().filename().string();
    EXPECT_FALSE(name.starts_with("admin.token.")) << "no temporary file is left: " << name;
  }
  const auto answer = site(Ask("GET", "/api/v1/me").bearer(token));
  EXPECT_EQ(answer.text("kind"), "service");
  EXPECT_EQ(answer.body.at("roles").as_array().size(), 4U);
  auto almost = token;
  almost.back() = almost.back() == 'a' ? 'b' : 'a';
  EXPECT_EQ(site(Ask("GET", "/api/v1/me").bearer(almost)).status, 401);
}

TEST(R7_3, InstancesBelongToTheTeam) {
  Site site;
  const auto id = site.user("known", kPassword);
  // A token: sessions end with such a change.
  const auto token =
      site(Ask("POST", "/api/v1/me/tokens", R"({"name":"t"})").cookie(site.sign_in("known", kPassword))).text("token");
  const auto mine = [&] { return site(Ask("GET", "/api/v1/me").bearer(token)); };
  EXPECT_TRUE(mine().body.at("team").is_null());
  const auto joined = site(change(site, id, R"({"team":"Red"})"));
  const auto team = std::string(joined.body.at("team").at("id").as_string());
  EXPECT_EQ(mine().body.at("team").at("name").as_string(), "Red") << "at once, also for who is signed in";
  EXPECT_EQ(site(Ask("POST", "/api/v1/admin/users", R"({"name":"mate","team":"RED"})").bearer(site.admin()))
                .body.at("team")
                .at("id")
                .as_string(),
            team)
      << "the same team";

  Principal principal;
  principal.user = UserId(id);
  EXPECT_EQ(principal.owner(), id);
  principal.team = TeamId(team);
  EXPECT_EQ(principal.owner(), team);

  const auto names = site.run(site.service->owner_names({team, id, "nobody", team})).value();
  EXPECT_EQ(names.size(), 3U);
  EXPECT_EQ(names.at(team).name, "Red");
  EXPECT_TRUE(names.at(team).team);
  EXPECT_EQ(names.at(id).name, "known");
  EXPECT_EQ(names.at("nobody").name, "nobody");
  site(change(site, id, R"({"name":"renamed","team":null})"));
  EXPECT_EQ(site.run(site.service->display_name(id)).value(), "renamed");
  EXPECT_TRUE(mine().body.at("team").is_null());
}

/// A site whose letters are kept.
struct Mailed {
  std::vector<Letter> letters;
  Site site{options()};

  Options options() {
    auto options = Site::fast();
    options.mail = [this](Letter letter) -> asio::awaitable<Result<>> {
      letters.push_back(std::move(letter));
      co_return Result<>{};
    };
    return options;
  }
  Answered ask(const std::string& email) {
    return site(Ask("POST", "/api/v1/auth/reset", json::serialize(json::object{{"email", email}})));
  }
  Answered set(const std::string& token, const std::string& password) {
    return site(
        Ask("PUT", "/api/v1/auth/password", json::serialize(json::object{{"token", token}, {"new", password}})));
  }
  void settle() { site.settle(); }
  std::string token() const {
    const auto& text = letters.back().text;
    const auto mark = text.find("/reset#") + 7;
    return text.substr(mark, text.find('\n', mark) - mark);
  }
};

TEST(R7_1, ResetTellsNothingAndWorksOnce) {
  Mailed mailed;
  auto& site = mailed.site;
  const auto id = site.user("known", kPassword);
  ASSERT_EQ(site(change(site, id, R"({"email":"Known@example.org"})")).status, 200);
  site.user("other", kPassword);
  const auto cookie = site.sign_in("known", kPassword);
  const auto known = mailed.ask("known@EXAMPLE.org");
  const auto unknown = mailed.ask("nobody@example.org");
  EXPECT_EQ(known.status, 202);
  EXPECT_EQ(unknown.status, 202);
  mailed.settle();
  ASSERT_EQ(mailed.letters.size(), 1U);
  EXPECT_EQ(mailed.letters.front().to, "Known@example.org");
  const auto token = mailed.token();
  EXPECT_FALSE(site.database().contains(token));
  EXPECT_EQ(site(Ask("POST", "/api/v1/session", R"({"strategy":"link","token":")" + token + "\"}")).status, 401)
      << "it sets a password and opens no session";
  EXPECT_EQ(mailed.set(token, "short").status, 400);
  EXPECT_EQ(mailed.set(token, "another good password").status, 204);
  EXPECT_EQ(mailed.set(token, "yet another password").reason(), "credentials-wrong") << "once";
  EXPECT_EQ(site(me(cookie)).status, 401) << "every session has ended";
  EXPECT_EQ(site.sign_in("known", kPassword), "");
  EXPECT_NE(site.sign_in("known", "another good password"), "");
}

TEST(R7_1, ResetLinksEndAfterHalfAnHourAndMailboxesAreNotFlooded) {
  Mailed mailed;
  auto& site = mailed.site;
  const auto id = site.user("known", kPassword);
  ASSERT_EQ(site(change(site, id, R"({"email":"known@example.org"})")).status, 200);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(mailed.ask("known@example.org").status, 202);
  mailed.settle();
  EXPECT_EQ(mailed.letters.size(), 10U);
  const auto token = mailed.token();
  site.clock.advance(std::chrono::minutes{30});
  EXPECT_EQ(mailed.set(token, "another good password").status, 401);
  // Who has no password here has forgotten none: another provider's account is not opened by a letter.
  site(Ask("POST", "/api/v1/admin/users", R"({"name":"guest","email":"guest@example.org"})").bearer(site.admin()));
  const auto before = mailed.letters.size();
  EXPECT_EQ(mailed.ask("guest@example.org").status, 202);
  mailed.settle();
  EXPECT_EQ(mailed.letters.size(), before);
}

}  // namespace
}  // namespace tiltyard::identity::testing
