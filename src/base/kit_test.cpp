// What is used everywhere: text, lenient JSON, back-off.
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include <array>

#include "base/backoff.h"
#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"

namespace tiltyard {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

TEST(R11_5, LettersAreThoseOfAscii) {
  EXPECT_EQ(lower("AbC-9\xc3\x84"), "abc-9\xc3\x84");
  EXPECT_TRUE(same_text("Content-Length", "content-LENGTH"));
  EXPECT_FALSE(same_text("a", "ab"));
  EXPECT_FALSE(same_text("@", "`")) << "the signs beside the letters are no letters";
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim(" \t"), "");
  EXPECT_EQ(hex(std::string_view("\x00\x7f\xff", 3)), "007fff");
}

TEST(R1_2, TheNearestWordIsFound) {
  constexpr std::array<std::string_view, 5> kWords{"ports", "image", "memory", "pids", "extend_after"};
  EXPECT_EQ(nearest("prots", kWords), "ports") << "two letters swapped are one mistake";
  EXPECT_EQ(nearest("Memroy", kWords), "memory");
  EXPECT_EQ(nearest("mage", kWords), "image");
  EXPECT_EQ(nearest("extend", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("xyz", kWords), "");
  EXPECT_EQ(nearest(std::string(100'000, 'p'), kWords), "");
}

TEST(R1_13, JsonOfOthersIsReadForWhatItSays) {
  const auto value = json::parse(
      R"({"t":"x","n":7,"d":2.9,"big":18446744073709551615,"huge":1e300,"low":-1e300,"b":true,"l":["a",1,"b"],"o":{"t":"in"}})");
  EXPECT_EQ(text_of(value, "t"), "x");
  EXPECT_EQ(text_of(value, "n"), "");
  EXPECT_EQ(text_of(value, "none"), "");
  EXPECT_EQ(text_of(member(value, "o"), "t"), "in");
  EXPECT_EQ(text_of(member(value, "t"), "t"), "") << "a text has no members";
  EXPECT_EQ(number_of(value, "n"), 7);
  EXPECT_EQ(number_of(value, "d"), 2);
  EXPECT_EQ(number_of(value, "big"), INT64_MAX);
  EXPECT_EQ(number_of(value, "huge"), INT64_MAX);
  EXPECT_EQ(number_of(value, "low"), INT64_MIN);
  EXPECT_EQ(number_of(value, "t"), 0);
  EXPECT_DOUBLE_EQ(real_of(value, "d"), 2.9);
  EXPECT_DOUBLE_EQ(real_of(value, "n"), 7);
  EXPECT_TRUE(flag_of(value, "b"));
  EXPECT_FALSE(flag_of(value, "n"));
  EXPECT_EQ(texts_of(value, "l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(member(json::value(nullptr), "x").is_null());
}

TEST(R1_13, WaitsGrowToTheirLongest) {
  Growing<std::chrono::milliseconds> pause(100ms, 1s);
  for (const auto wait : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) EXPECT_EQ(pause.next(), wait);
  pause.reset();
  EXPECT_EQ(pause.next(), 100ms);
  EXPECT_EQ(pause.peek(), 200ms);
  Growing<std::chrono::milliseconds> slow(1ms, 5ms, 1.5);
  for (const auto wait : {1ms, 2ms, 3ms, 4ms, 5ms, 5ms}) EXPECT_EQ(slow.next(), wait) << "it grows however short it is";
}

TEST(R1_13, ThoseWhoFailedTogetherDoNotComeBackTogether) {
  const auto delay = [](int tries, double chance) {
    return scattered_delay<std::chrono::milliseconds>(1s, 1min, tries, chance);
  };
  EXPECT_EQ(delay(1, 0.5), 1s);
  EXPECT_EQ(delay(3, 0.5), 4s);
  EXPECT_EQ(delay(1, 0), 750ms);
  EXPECT_EQ(delay(1, 1), 1250ms);
  EXPECT_EQ(delay(1000, 0.5), 1min);
  EXPECT_EQ(delay(0, 0.5), 1s);
}

TEST(R9_1, Utf8IsToldFromWhatOnlyLooksLikeIt) {
  for (const std::string_view good :
       {"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8E\xAF", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const std::string_view bad :
       {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82"})
    EXPECT_FALSE(is_utf8(bad));
}

TEST(R11_4, WhatIsNoUtf8IsReplacedAndNothingElse) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(as_utf8("plain \xC3\xA4\xF0\x9F\x8E\xAF"), "plain \xC3\xA4\xF0\x9F\x8E\xAF");
  EXPECT_EQ(as_utf8("\xFF"
                    "a\xC0\xAF"),
            mark + "a" + mark + mark);
  EXPECT_EQ(as_utf8("\xE2\x82"), mark) << "a beginning of a character is one of them";
  EXPECT_EQ(as_utf8("\xF0\x9F\x8E"
                    "b\xED\xA0\x80"),
            mark + "b" + mark + mark + mark);
  EXPECT_EQ(as_utf8(std::string_view("\0x", 2)), std::string("\0x", 2));
}

}  // namespace
}  // namespace tiltyard
