#include "recordings/asciicast.h"

#include <gtest/gtest.h>

namespace tiltyard::recordings {
namespace {

using std::chrono::milliseconds;

TEST(R3_5_Asciicast, SaysWhatItIsAndWhatHappenedWhen) {
  EXPECT_EQ(Asciicast::head(80, 24, from_micros(1'700'000'000'500'000), "web \"1\""),
            "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1700000000,\"title\":\"web \\\"1\\\"\","
            "\"env\":{\"TERM\":\"xterm-256color\"}}\n");
  Asciicast cast;
  EXPECT_EQ(cast.output(milliseconds{1500}, "a\x1b[1mb\r\n"), "[1.500000, \"o\", \"a\\u001b[1mb\\r\\n\"]\n");
  EXPECT_EQ(cast.resize(milliseconds{2000}, 100, 30), "[2.000000, \"r\", \"100x30\"]\n");
  EXPECT_EQ(cast.mark(milliseconds{2001}, "full"), "[2.001000, \"m\", \"full\"]\n");
  EXPECT_EQ(cast.output(milliseconds{-5}, "x"), "[0.000000, \"o\", \"x\"]\n");
}

TEST(R3_5_Asciicast, CharactersInHalvesAreWhole) {
  Asciicast cast;
  EXPECT_EQ(cast.output(milliseconds{0}, "\xE2\x82"), "");
  EXPECT_EQ(cast.output(milliseconds{1}, "\xAC!"), "[0.001000, \"o\", \"\xE2\x82\xAC!\"]\n");
  EXPECT_EQ(cast.output(milliseconds{2}, "a\xF0\x9F"), "[0.002000, \"o\", \"a\"]\n");
  EXPECT_EQ(cast.rest(milliseconds{3}), "[0.003000, \"o\", \"\xEF\xBF\xBD\"]\n");
  EXPECT_EQ(cast.rest(milliseconds{4}), "");
}

TEST(R3_5_Asciicast, WhatIsNoTextIsReplaced) {
  Asciicast cast;
  EXPECT_EQ(cast.output(milliseconds{0},
                        "a\xFF"
                        "b\x80"),
            "[0.000000, \"o\", \"a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\"]\n");
  // The beginning of a character that goes on as something else.
  EXPECT_EQ(cast.output(milliseconds{0}, "\xE2"), "");
  EXPECT_EQ(cast.output(milliseconds{0}, "x"), "[0.000000, \"o\", \"\xEF\xBF\xBDx\"]\n");
}

TEST(R3_5_Asciicast, ALineThatWasCutIsLeftOut) {
  EXPECT_EQ(whole_lines("{}\n[1, \"o\", \"a\"]\n[2, \"o"), 17U);
  EXPECT_EQ(whole_lines("{}\n"), 3U);
  EXPECT_EQ(whole_lines("{\"version\""), 0U);
}

}  // namespace
}  // namespace tiltyard::recordings
