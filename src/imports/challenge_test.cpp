// challenge.toml: what a person may write, and what is wrong with it.
#include "imports/challenge.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tiltyard::imports {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kWhole[] = R"(name = "Log in"
category = "web"
description = """
Find the flag.
"Quoted" \\ and all."""
authors = ["alice", "bob"]
tags = ["easy"]
topics = ["sql"]
state = "hidden"
connection = "nc example.com 1337"
attribution = "bob"
opens = "2026-12-01T09:00:00Z"
closes = "2026-12-02T09:00:00+01:00"
attempts = 3
logic = "all"
requires = ["welcome"]
locked = "anonymous"
next = "more"
breaks_ties = false
own_flags = true
solution = "solution/solve.py"

[value]
initial = 500
minimum = 100
decay = 12.5
function = "linear"

[[flag]]
text = "flag{one}"

[[flag]]
regex = "flag\\{\\d+\\}"
ignore_case = true

[[hint]]
id = "a"
text = "Look."

[[hint]]
title = "More"
text = "Look\nthere."
cost = 50
requires = ["a"]

[[file]]
path = "files/a.zip"

[[file]]
url = "https://example.com/b.zip"
name = "b.zip"
)";

std::string problem_of(const std::string& text) {
  const auto read = read_challenge(text, "x");
  return read.problems.empty() ? "" : fmt::format("{}: {}", read.problems.front().line, read.problems.front().message);
}

TEST(R1_16, AChallengeFileIsReadAndWrittenWhole) {
  const auto read = read_challenge(kWhole, "x");
  ASSERT_THAT(read.problems, IsEmpty());
  const auto& challenge = read.challenge;
  EXPECT_EQ(challenge.description, "Find the flag.\n\"Quoted\" \\ and all.");
  EXPECT_TRUE(challenge.value->dynamic);
  EXPECT_EQ(challenge.value->decay, 12.5);
  EXPECT_TRUE(challenge.flags[1].regex);
  EXPECT_EQ(challenge.hints[1].text, "Look\nthere.");
  EXPECT_EQ(challenge.files[0].name, "a.zip");
  // What is written says the same, and is written the same again.
  const auto written = write_challenge(challenge, "a test");
  const auto again = read_challenge(written, "x");
  ASSERT_THAT(again.problems, IsEmpty()) << written;
  EXPECT_EQ(write_challenge(again.challenge, "a test"), written);
  EXPECT_EQ(again.challenge.closes, challenge.closes);
}

TEST(R1_16, AChallengeFileNeedsNothing) {
  const auto read = read_challenge("", "folder");
  EXPECT_THAT(read.problems, IsEmpty());
  EXPECT_EQ(read.challenge.name, "folder");
  EXPECT_FALSE(read.challenge.value);
}

TEST(R1_16, WhatIsWrongInAChallengeFileIsSaidWithItsLine) {
  EXPECT_THAT(problem_of("name = \"a\"\nfalgs = 1"), HasSubstr("2: \"falgs\" is no key of challenge.toml"));
  EXPECT_THAT(problem_of("atempts = 1"), HasSubstr("did you mean \"attempts\"?"));
  EXPECT_THAT(problem_of("[value]\npoints = 1\ninitial = 2"), HasSubstr("either points, or initial"));
  EXPECT_THAT(problem_of("[value]\ninitial = 1\nminimum = 2"), HasSubstr("value.minimum is 2, more than initial, 1"));
  EXPECT_THAT(problem_of("[value]\ninitial = 1\nfunction = \"liner\""), HasSubstr("did you mean \"linear\"?"));
  EXPECT_THAT(problem_of("[[flag]]\ntext = \"a\"\nregex = \"a\""), HasSubstr("1: a flag has either text or regex"));
  EXPECT_THAT(problem_of("[[flag]]\nregex = \"(\""), HasSubstr("flag.regex"));
  EXPECT_THAT(problem_of("[[flag]]\ntext = \"\""), HasSubstr("everybody's"));
  EXPECT_THAT(problem_of("[[hint]]\ntext = \"a\"\ncost = -1"), HasSubstr("3: hint.cost"));
  EXPECT_THAT(problem_of("[[hint]]\ntext = \"a\"\nrequires = [\"b\"]"), HasSubstr("no other hint"));
  EXPECT_THAT(problem_of("[[file]]\npath = \"../a\""), HasSubstr("without \"..\""));
  EXPECT_THAT(problem_of("[[file]]\npath = \"/etc/passwd\""), HasSubstr("below the challenge's folder"));
  EXPECT_THAT(problem_of("[[file]]\nurl = \"javascript:x\""), HasSubstr("https://"));
  EXPECT_THAT(problem_of("[[file]]\npath = \"a/X\"\n[[file]]\npath = \"b/x\""), HasSubstr("two files"));
  EXPECT_THAT(problem_of("opens = \"tomorrow\""), HasSubstr("a time like"));
  EXPECT_THAT(problem_of("state = \"secret\""), HasSubstr("visible, hidden"));
  EXPECT_THAT(problem_of("name = "), HasSubstr("1: "));
}

}  // namespace
}  // namespace tiltyard::imports
