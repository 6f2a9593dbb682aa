// The farm's parts by themselves: the format, the configuration, the reader of posts, the shared rate, the clock.
#include <gtest/gtest.h>

#include "farm/config.h"
#include "farm/format.h"
#include "farm/post_reader.h"
#include "farm/rate.h"
#include "farm/time.h"

namespace tiltyard::farm {
namespace {

using namespace std::chrono_literals;

const std::string kGame = R"(flag_format = '[A-Z0-9]{31}='
teams = ["10.60.{1..3}.1"]
token = "the farm's"
[jury]
protocol = "forcad_http"
token = 'quoted "otherwise"'
nested = { api_password = "hidden", port = 80 }
)";

std::shared_ptr<const FlagFormat> format(std::string_view text) {
  auto made = FlagFormat::make(text);
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

TEST(R6_1, AFlagMatchesAsAWhole) {
  const auto plain = format("[A-Z0-9]{3}=");
  EXPECT_TRUE(plain->matches("AB1="));
  EXPECT_FALSE(plain->matches("xAB1="));
  EXPECT_FALSE(plain->matches("AB1=\n"));
  EXPECT_TRUE(format("A|BC")->matches("BC"));
  EXPECT_FALSE(format("A|BC")->matches("AC"));
}

TEST(R6_2, PythonsSpellingIsUnderstoodWhereRe2Can) {
  EXPECT_TRUE(format(R"(^FLAG\{(?P<x>\w{1,4})\}\Z)")->matches("FLAG{ab_1}"));
  EXPECT_TRUE(format(R"(a{,2}b)")->matches("aab"));
  EXPECT_FALSE(format(R"(a{,2}b)")->matches("aaab"));
  EXPECT_TRUE(format(R"([\u0041-\u0043]x)")->matches("Bx"));
  EXPECT_TRUE(format(R"((?i)flag_[0-9a-f]{4})")->matches("FLAG_00FF"));
  for (const auto* text : {"(?=a)b", "(?<!a)b", R"((a)\1)", "(?P<a>x)(?P=a)", "(", "a*", "", "(a|)", "^$"}) {
    const auto refused = FlagFormat::make(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().reason, "farm-config-invalid");
  }
}

TEST(R6_1, AllFlagsOfATextAreFound) {
  std::vector<std::string> found;
  format("[A-Z]{2}=")->find_all("xAB=CD=\nABC= =", [&](std::string_view flag) { found.emplace_back(flag); });
  EXPECT_EQ(found, (std::vector<std::string>{"AB=", "CD=", "BC="}));
}

TEST(R6_2, TheWholeFileIsRead) {
  const auto config = parse_config(kGame);
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->teams.size(), 3u);
  EXPECT_EQ(config->teams[1].name, "Team #2");
  EXPECT_EQ(config->teams[1].address, "10.60.2.1");
  EXPECT_EQ(config->jury.batch, 100u);
  EXPECT_DOUBLE_EQ(config->jury.calls_per_second, 2);
  EXPECT_NE(config->jury.settings.find("hidden"), std::string::npos);
  EXPECT_EQ(config->json.find("hidden"), std::string::npos);
  EXPECT_EQ(config->json.find("the farm's"), std::string::npos);
}

TEST(R6_2, SecretsAreBlankedAndComeBack) {
  const auto shown = blank_secrets(kGame);
  for (const auto* secret : {"the farm's", "otherwise", "hidden"})
    EXPECT_EQ(shown.find(secret), std::string::npos) << shown;
  const auto filled = parse_config(fill_blanks(shown, kGame));
  ASSERT_TRUE(filled);
  const auto before = parse_config(kGame);
  EXPECT_EQ(filled->token.reveal(), before->token.reveal());
  EXPECT_EQ(filled->jury.settings, before->jury.settings);
  // A new value is taken, and a blank that had none before stays what it is.
  EXPECT_NE(fill_blanks("token = \"***\"\n[other]\ntoken = \"***\"\nsecret = \"new\"", kGame).find("\"new\""),
            std::string::npos);
  // What could not be blanked is refused rather than shown.
  const auto refused = parse_config("flag_format = 'A'\n[jury]\nprotocol = 'x'\ntoken = \"\"\"\nlong\"\"\"\n");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("blanked"), std::string::npos);
}

TEST(R6_2, PatternsStandForManyTexts) {
  EXPECT_EQ(*expand("10.60.{9..11}.1"), (std::vector<std::string>{"10.60.9.1", "10.60.10.1", "10.60.11.1"}));
  EXPECT_EQ(*expand("t{08..10}"), (std::vector<std::string>{"t08", "t09", "t10"}));
  EXPECT_EQ(expand("{1..2}.{1..2}")->size(), 4u);
  for (const auto* text :
       {"{2..1}", "{1..", "{1-2}", "{a..b}", "{1..5000}", "{1..100}{1..100}", "{-1..2}", "{1..99999999999}"})
    EXPECT_FALSE(expand(text)) << text;
}

TEST(R6_1, PostsAreReadInBothShapes) {
  for (const std::string body :
       {R"([{"flag":"A","sploit":"s","team":"t"},{"team":null,"flag":"B\u0041","x":{"flag":[1]}}])",
        R"( {"more": [{"flag": "no"}], "flags": [{"flag":"A","sploit":"s","team":"t"}, "BA"]} )"}) {
    const auto read = read_post(body, 10);
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(read->flags.size(), 2u);
    EXPECT_EQ(read->flags[0].flag, "A");
    EXPECT_EQ(read->flags[0].sploit, "s");
    EXPECT_EQ(read->flags[0].team, "t");
    EXPECT_EQ(read->flags[1].flag, "BA");
    EXPECT_EQ(read->flags[1].sploit, "");
  }
  EXPECT_EQ(read_post(R"(["A","B"])", 1).error().reason, "too-many-flags");
  EXPECT_EQ(read_post(R"({"flags":"A"})", 1).error().reason, "invalid-body");
  EXPECT_TRUE(read_post("[]", 1)->flags.empty());
}

TEST(R6_9, CallsAreSpacedAndTheRateIsLearned) {
  TimePoint now = from_micros(1'000'000'000);
  Rate rate;
  EXPECT_TRUE(rate.allowed(now));
  rate.configure(2, 0);
  rate.paid(100, now);
  EXPECT_FALSE(rate.allowed(now + 499ms));
  EXPECT_TRUE(rate.allowed(now + 500ms));
  now += 10s;
  rate.limited(3s, now);
  EXPECT_FALSE(rate.allowed(now + 2999ms));
  EXPECT_TRUE(rate.allowed(now + 3s));
  const double learned = rate.calls_per_second();
  EXPECT_LT(learned, 2);
  EXPECT_GT(learned, 0);
  // Quiet time gives it back, up to what is configured.
  for (int i = 0; i < 600; ++i) rate.answered(now += 1s);
  EXPECT_DOUBLE_EQ(rate.calls_per_second(), 2);
  // A jury that does not say for how long gets longer pauses each time.
  rate.limited(0s, now);
  const auto first = rate.next() - now;
  now += first + 1s;
  rate.limited(0s, now);
  EXPECT_GT(rate.next() - now, first);
}

TEST(R6_9, FlagsCanBeLimitedAsWell) {
  const TimePoint now = from_micros(0);
  Rate rate;
  rate.configure(0, 100);
  rate.paid(50, now);
  EXPECT_EQ(rate.next(), now + 500ms);
}

TEST(R6_3, AClockThatJumpsIsFollowedSlowly) {
  ManualClock wall(from_micros(1'000'000'000'000));
  auto steady = std::chrono::steady_clock::time_point{} + 1h;
  FarmTime time(wall, [&] { return steady; });
  const auto begun = time.now();
  wall.advance(1h);
  steady += 100s;
  EXPECT_EQ(time.now() - begun, 101s);
  wall.advance(-3h);
  steady += 100s;
  EXPECT_EQ(time.now() - begun, 200s);
  time.not_before(begun + 1000s);
  EXPECT_EQ(time.now(), begun + 1000s);
}

}  // namespace
}  // namespace tiltyard::farm
