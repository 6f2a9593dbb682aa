// What people read: row 11.4.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include <clocale>

#include "cli/context.h"
#include "cli/instances.h"
#include "cli/terminal_text.h"

namespace tiltyard::cli {
namespace {

namespace json = boost::json;

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

json::value instance(const char* more) {
  auto value = json::parse(
      R"({"id":"i1","template":"web","state":"running","reason":null,"owner":{"id":"u","name":"Zoë","team":null},
    "created_at":"2026-03-01T11:00:00.000Z","started_at":"2026-03-01T11:00:00.000Z","ended_at":null,
    "expires_at":"2026-03-01T12:40:00.000Z","extendable_at":"2026-03-01T12:10:00.000Z","extend_s":1800,"queue":null,"progress":null,
    "endpoints":[{"name":"web","kind":"http","url":"http://i1.localhost:8080/"},{"name":"ssh","kind":"tcp","host":"127.0.0.1","port":20001}],
    "machines":[{"name":"box","state":"running","health":null}],"credentials":{"user":"root","password":"x"},"timings_ms":{"total":612.4}})");
  for (const auto& [key, member] : json::parse(more).as_object()) value.as_object()[key] = member;
  return value;
}

TEST(R11_4, AnInstanceOnOnePage) {
  EXPECT_EQ(instance_page(instance("{}"), kNow, false),
            "id           i1\n"
            "template     web\n"
            "state        running\n"
            "web          http://i1.localhost:8080/\n"
            "ssh          tcp 127.0.0.1:20001\n"
            "user         root\n"
            "password     x\n"
            "owner        Zoë\n"
            "started      1 h ago\n"
            "ends         in 40 min\n"
            "extend       by 30 min, in 10 min\n"
            "machine      box running\n"
            "timings      total 612 ms\n");
}

TEST(R11_4, WhatIsLeftDependsOnTheState) {
  EXPECT_EQ(left_text(instance("{}"), kNow), "40 min");
  EXPECT_EQ(left_text(instance(R"({"state":"queued","expires_at":null,"queue":{"position":3,"eta_ms":20000}})"), kNow),
            "place 3");
  EXPECT_EQ(
      left_text(instance(R"({"state":"failed","reason":{"code":"image-missing","text":"There is no such image."}})"),
                kNow),
      "There is no such image.");
  EXPECT_EQ(left_text(instance(R"({"state":"preparing","expires_at":null})"), kNow), "");
}

TEST(R11_4, ProgressSaysWhereAndHowLong) {
  EXPECT_EQ(progress_text(instance(R"({"state":"queued","queue":{"position":3,"eta_ms":20000}})")),
            "queued, place 3, about 20 s");
  EXPECT_EQ(progress_text(instance(R"({"state":"queued","queue":{"position":1,"eta_ms":null}})")), "queued, place 1");
  EXPECT_EQ(
      progress_text(instance(
          R"({"state":"starting","progress":{"step":"machines","done":1,"total":4,"elapsed_ms":2100,"expected_ms":5000}})")),
      "starting: machines 1 of 4, 2.1 s of about 5.0 s");
}

TEST(R11_4, ForeignAnswersDoNotBreakAnything) {
  for (const auto* body :
       {"null", "[]", "7", "{}", R"({"state":7,"endpoints":{},"queue":[],"machines":[1,null],"timings_ms":[]})"}) {
    const auto value = json::parse(body);
    instance_page(value, kNow, false);
    left_text(value, kNow);
    progress_text(value);
    EXPECT_TRUE(items_of(value).empty());
  }
}

}  // namespace
}  // namespace tiltyard::cli
