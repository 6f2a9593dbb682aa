// What the other side's answers mean, and what a letter looks like on the wire.
#include <gtest/gtest.h>

#include <ctime>

#include "net/retry_after.h"
#include "notices/smtp.h"
#include "notices/webhook.h"

namespace tiltyard::notices {
namespace {

using http::seconds_until;
using std::chrono::milliseconds;

Posted answered(int status, std::vector<std::pair<std::string, std::string>> fields, std::string body = {}) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  for (auto& [name, value] : fields) response.headers.add(std::move(name), std::move(value));
  return judge(response);
}

std::string date_in(int seconds, const char* form) {
  const auto at = ::time(nullptr) + seconds;
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, form, &parts)};
}

TEST(R9_5, RetryAfterIsSecondsOrADateInAnyOfThreeForms) {
  EXPECT_EQ(seconds_until("120"), 120);
  EXPECT_EQ(seconds_until("1.5"), 1.5);
  for (const auto* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    const auto text = date_in(600, form);
    const auto left = seconds_until(text);
    ASSERT_TRUE(left) << text;
    EXPECT_GT(*left, 500) << text;
    EXPECT_LE(*left, 600) << text;
  }
  EXPECT_LT(*seconds_until("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
  for (const auto* bad : {"", "soon", "1 hour", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT or so"})
    EXPECT_FALSE(seconds_until(bad)) << bad;
}

TEST(R9_5, APauseIsWhatTheOtherSideSaysWithAFloorAndACeiling) {
  EXPECT_EQ(answered(429, {}, R"({"message":"slow down","retry_after":2.5,"global":true})").pause, milliseconds(2500));
  EXPECT_EQ(answered(429, {{"Retry-After", "7"}}, R"({"retry_after":2})").pause, milliseconds(2000))
      << "the body is exact";
  EXPECT_EQ(answered(429, {{"Retry-After", "7"}}, "error code: 1015").pause, milliseconds(7000));
  EXPECT_EQ(answered(429, {{"X-RateLimit-Reset-After", "1.25"}, {"X-RateLimit-Scope", "shared"}}).pause,
            milliseconds(1250));
  EXPECT_EQ(answered(429, {}, R"({"retry_after":0})").pause, milliseconds(1000));
  EXPECT_EQ(answered(429, {}, R"({"retry_after":-3})").pause, milliseconds(1000));
  EXPECT_EQ(answered(429, {{"Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"}}).pause, milliseconds(1000));
  EXPECT_EQ(answered(429, {{"Retry-After", "99999999"}}).pause, milliseconds(std::chrono::hours{1}));
  for (const auto* body :
       {"", "<html>", R"({"message":"no","code":0})", R"({"retry_after":"soon"})", R"({"retry_after":1e999})"})
    EXPECT_FALSE(answered(429, {}, body).pause) << body << ": a failure like others";
  EXPECT_FALSE(answered(429, {{"Retry-After", "inf"}}).pause);
}

TEST(R9_5, AFailureMaySayWhenToComeAgainAndIsATryAllTheSame) {
  const auto busy = answered(503, {{"Retry-After", "30"}});
  EXPECT_EQ(busy.outcome, Delivery::kLater);
  EXPECT_FALSE(busy.pause);
  EXPECT_EQ(busy.not_before, milliseconds(30'000));
  EXPECT_FALSE(answered(500, {}).not_before);
  EXPECT_EQ(answered(408, {}).outcome, Delivery::kLater);
  for (int never : {301, 400, 401, 403, 404}) EXPECT_EQ(answered(never, {}).outcome, Delivery::kNever) << never;
  EXPECT_EQ(answered(204, {}).outcome, Delivery::kDone);
}

TEST(R9_5, NoLineOfALetterIsLongerThanItMayBe) {
  const Mail letter{
      "ada@ctf.example",
      "[Range] Überfluß im Büro und noch ein gutes Stück länger, damit der Betreff gefaltet wird – 日本語",
      std::string(3'000, 'x') + "\n.\n.a line of its own\n"};
  const auto whole = message(letter, "range@ctf.example", "event-1-mail", from_micros(1'767'225'600'000'000));
  std::string_view rest = whole;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find("\r\n"));
    EXPECT_LE(line.size(), line.contains("=?") ? 76U : 78U) << line;
    EXPECT_FALSE(line.starts_with('.')) << "nothing to stuff";
    EXPECT_EQ(line.find_first_of("\r\n"), std::string_view::npos);
    rest.remove_prefix(std::min(rest.size(), line.size() + 2));
  }
}

}  // namespace
}  // namespace tiltyard::notices
