// Accounts that people make for themselves: how many from one place, and whose address it is (row 7.1).
#include "identity/registration.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <string>
#include <vector>

#include "identity/testing.h"

namespace tiltyard::identity::testing {
namespace {

namespace json = boost::json;

constexpr auto kPassword = "correct horse battery";

Ask join(const std::string& name, const std::string& address, const std::string& email = {}) {
  json::object body{{"name", name}, {"password", kPassword}};
  if (!email.empty()) body["email"] = email;
  return Ask("POST", "/api/v1/auth/register", json::serialize(body)).from(address);
}

Ask by_link(const std::string& token) {
  return Ask("POST", "/api/v1/session", json::serialize(json::object{{"strategy", "link"}, {"token", token}}));
}

/// A site where anybody may register, and the letters that it has sent.
struct Open {
  explicit Open(bool with_mail, int most = 3) : site(options(with_mail, most)) {}

  Options options(bool with_mail, int most) {
    auto made = Site::fast();
    made.registration = Registration::kOpen;
    made.accounts_per_address = most;
    if (with_mail) {
      made.mail = [this](Letter letter) -> asio::awaitable<Result<>> {
        letters.push_back(std::move(letter));
        co_return Result<>{};
      };
    }
    return made;
  }

  /// The letter is nobody's to wait for: so many have been handed over when this returns.
  void settle(std::size_t count) {
    for (int turn = 0; turn < 1000 && letters.size() < count; ++turn) site.settle();
    ASSERT_EQ(letters.size(), count);
  }

  std::string link() const {
    const auto& text = letters.back().text;
    const auto at = text.find("/signin#");
    return at == std::string::npos ? std::string() : text.substr(at + 8, text.find('\n', at) - at - 8);
  }

  std::vector<Letter> letters;
  Site site;
};

TEST(R7_1, OneAddressHasSoManyAccountsAtOnce) {
  Open open(false);
  for (const auto* name : {"one", "two", "three"}) EXPECT_EQ(open.site(join(name, "2001:db8::1")).status, 201);
  const auto refused = open.site(join("four", "2001:db8::2"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.reason(), "limit-reached");
  EXPECT_EQ(open.site(join("elsewhere", "2001:db8:0:1::1")).status, 201);
  // One that is gone makes room, and what was refused has left nothing.
  const auto id =
      open.site(Ask("GET", "/api/v1/admin/users?q=one").bearer(open.site.admin())).body.at("items").at(0).at("id");
  EXPECT_EQ(
      open.site(Ask("DELETE", "/api/v1/admin/users/" + std::string(id.as_string())).bearer(open.site.admin())).status,
      204);
  EXPECT_EQ(open.site(join("four", "2001:db8::2")).status, 201);
}

TEST(R7_1, AnAccountWithoutAnInvitationWaitsForItsLetter) {
  Open open(true);
  EXPECT_EQ(open.site(join("ann", "10.0.0.1")).reason(), "invalid-body") << "an address is needed";
  const auto asked = open.site(join("ann", "10.0.0.1", "ann@ctf.example"));
  EXPECT_EQ(asked.status, 202);
  EXPECT_EQ(asked.cookie(), "");
  open.settle(1);
  EXPECT_EQ(open.letters[0].to, "ann@ctf.example");
  const auto token = open.link();
  ASSERT_FALSE(token.empty()) << open.letters[0].text;
  EXPECT_EQ(open.site(by_link("new-" + token.substr(5))).status, 401) << "changed";
  const auto made = open.site(by_link(token));
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.text("name"), "ann");
  EXPECT_EQ(made.text("email"), "ann@ctf.example");
  EXPECT_EQ(open.site(by_link(token)).reason(), "user-exists") << "one account, however often it is opened";
  EXPECT_NE(open.site.sign_in("ann", kPassword), "");
  // Who has an account with the address is told so, by the letter alone.
  EXPECT_EQ(open.site(join("other", "10.0.0.1", "ANN@ctf.example")).status, 202);
  open.settle(2);
  EXPECT_EQ(open.link(), "");
  EXPECT_NE(open.letters.back().text.find("\"ann\""), std::string::npos);
}

TEST(R7_1, ALetterWorksForAnHour) {
  Open open(true);
  open.site(join("late", "10.0.0.1", "late@ctf.example"));
  open.settle(1);
  open.site.clock.advance(std::chrono::hours{1});
  EXPECT_EQ(open.site(by_link(open.link())).status, 401);
}

TEST(R7_1, LettersMakeNoMoreAccountsThanTheirAddressMayHave) {
  Open open(true, 1);
  std::vector<std::string> links;
  for (const std::string name : {"one", "two"}) {
    open.site(join(name, "10.0.0.1", name + "@ctf.example"));
    open.settle(links.size() + 1);
    links.push_back(open.link());
  }
  EXPECT_EQ(open.site(by_link(links[0])).status, 201);
  EXPECT_EQ(open.site(by_link(links[1]).from("10.0.0.2")).reason(), "limit-reached")
      << "counted where it was asked for";
}

}  // namespace
}  // namespace tiltyard::identity::testing
