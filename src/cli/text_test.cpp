// What people read: row 11.4.
#include <gtest/gtest.h>

#include <clocale>

#include "cli/terminal_text.h"

namespace tiltyard::cli {
namespace {

const auto kNow = parse_rfc3339("2026-03-01T12:00:00.000Z").value();

struct Locale {
  Locale() { std::setlocale(LC_CTYPE, "C.UTF-8"); }
} const locale;

TEST(R11_4, DurationsReadAtAGlance) {
  using std::chrono::seconds;
  EXPECT_EQ(duration_text(seconds{0}), "0 s");
  EXPECT_EQ(duration_text(seconds{-5}), "0 s");
  EXPECT_EQ(duration_text(seconds{59}), "59 s");
  EXPECT_EQ(duration_text(seconds{60}), "1 min");
  EXPECT_EQ(duration_text(seconds{3599}), "59 min");
  EXPECT_EQ(duration_text(seconds{3600}), "1 h");
  EXPECT_EQ(duration_text(seconds{3 * 3600 + 20 * 60}), "3 h 20 min");
  EXPECT_EQ(duration_text(seconds{23 * 3600 + 59 * 60}), "23 h");
  EXPECT_EQ(duration_text(seconds{2 * 86400 + 4 * 3600}), "2 d 4 h");
  EXPECT_EQ(duration_text(seconds{400 * 86400}), "400 d");
}

TEST(R11_4, TimesAreRelative) {
  EXPECT_EQ(relative_text("2026-03-01T12:12:00.000Z", kNow), "in 12 min");
  EXPECT_EQ(relative_text("2026-03-01T11:00:00Z", kNow), "1 h ago");
  EXPECT_EQ(relative_text("2026-03-01T12:00:00.400Z", kNow), "now");
  EXPECT_EQ(relative_text("", kNow), "");
}

TEST(R11_4, SizesAndSpans) {
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(256ULL << 20), "256 MiB");
  EXPECT_EQ(parse_seconds("90"), 90);
  EXPECT_EQ(parse_seconds("90s"), 90);
  EXPECT_EQ(parse_seconds("15m"), 900);
  EXPECT_EQ(parse_seconds("2h"), 7200);
  EXPECT_EQ(parse_seconds("30d"), 2'592'000);
  for (const auto* bad : {"", "0", "-1", "x", "1w", "1 h", "99999999999999999999"})
    EXPECT_EQ(parse_seconds(bad), -1) << bad;
}

TEST(R11_4, TablesAlignAlsoWhatIsNotAscii) {
  Table table({"ID", "NAME", "STATE"}, false);
  table.add({"1", "Zoë", {"running", Colour::kGreen}});
  table.add({"long-id", "陳", "failed"});
  EXPECT_EQ(table.text(),
            "ID       NAME  STATE\n"
            "1        Zoë   running\n"
            "long-id  陳    failed\n");
}

TEST(R11_4, ColoursOnlyWhenWanted) {
  Table table({"STATE"}, true);
  table.add({{"running", Colour::kGreen}});
  EXPECT_EQ(table.text(), "\x1b[1mSTATE\x1b[0m\n\x1b[32mrunning\x1b[0m\n");
  EXPECT_EQ(painted("x", Colour::kRed, false), "x");
}

TEST(R11_4, WhatAMachineSaysDoesNotCommandTheTerminal) {
  const std::string hostile =
      "one\r\n\x1b[1;31mred\x1b[0m\t\x1b]0;title\x07 \x1b[2J\x1b[H wiped\rover \xc2\x9b"
      "31m \xe2\x80\xae \x1bP$q\x1b\\ Zo\xc3\xab \xff end\n";
  const std::string tame = "one\nred\t?]0;title? ?[2J?[H wiped?over ?31m ? ?P$q?\\ Zo\xc3\xab ? end\n";
  Tamed whole;
  EXPECT_EQ(whole.take(hostile), tame);
  // However it is cut, the terminal sees the same.
  for (std::size_t size = 1; size < 9; ++size) {
    Tamed tamed;
    std::string shown;
    for (std::size_t at = 0; at < hostile.size(); at += size) shown += tamed.take(hostile.substr(at, size));
    EXPECT_EQ(shown + tamed.rest(), tame) << size;
  }
  Tamed cut;
  EXPECT_EQ(cut.take("half \x1b[3"), "half ");
  EXPECT_EQ(cut.rest(), "???") << "nothing of a command gets through at the end";
}

TEST(R11_4, NoTextCommandsTheTerminal) {
  EXPECT_EQ(harmless("a\x1b]0;owned\x07z"), "a?]0;owned?z");
  EXPECT_EQ(harmless("two\nlines\tand"), "two lines and");
  EXPECT_EQ(harmless("\xff\xc2\x9b"
                     "31m"),
            "??31m");
  EXPECT_EQ(harmless("a\xe2\x80\xae"
                     "b"),
            "a?b");
  EXPECT_EQ(harmless("Zoë 陳"), "Zoë 陳");
}

}  // namespace
}  // namespace tiltyard::cli
