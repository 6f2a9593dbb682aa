#include "jobs/cron.h"

#include <gtest/gtest.h>

#include "jobs/schedule.h"

namespace tiltyard::jobs {
namespace {

TimePoint at(const char* text) {
  auto time = parse_rfc3339(text);
  EXPECT_TRUE(time) << text;
  return *time;
}

/// The firings after `from`, as texts.
std::vector<std::string> firings(const char* line, const char* zone, const char* from, int count) {
  std::vector<std::string> out;
  auto cron = Cron::parse(line, zone);
  if (!cron) return {cron.error().reason};
  auto time = at(from);
  for (int i = 0; i < count; ++i) {
    const auto next = cron->next(time);
    if (!next) break;
    out.push_back(to_rfc3339(*next).substr(0, 16));
    time = *next;
  }
  return out;
}

using Texts = std::vector<std::string>;

TEST(R8_1, CronLinesFireWhenCrontabSays) {
  EXPECT_EQ(firings("*/20 3 * * *", "UTC", "2026-03-01T00:00:00Z", 4),
            (Texts{"2026-03-01T03:00", "2026-03-01T03:20", "2026-03-01T03:40", "2026-03-02T03:00"}));
  EXPECT_EQ(firings("0 9 * * mon-fri", "UTC", "2026-03-06T09:00:00Z", 2),
            (Texts{"2026-03-09T09:00", "2026-03-10T09:00"}));
  EXPECT_EQ(firings("30 4 1,15 * 5", "UTC", "2026-05-01T05:00:00Z", 4),
            (Texts{"2026-05-08T04:30", "2026-05-15T04:30", "2026-05-22T04:30", "2026-05-29T04:30"}))
      << "either of two restricted day fields is enough";
  EXPECT_EQ(firings("0 0 29 feb *", "UTC", "2026-01-01T00:00:00Z", 2), (Texts{"2028-02-29T00:00", "2032-02-29T00:00"}));
  EXPECT_EQ(firings("0 12 * * 7", "UTC", "2026-03-01T12:00:00Z", 1), (Texts{"2026-03-08T12:00"})) << "7 is Sunday";
  EXPECT_EQ(firings("5-59/20 * * * *", "UTC", "2026-01-01T00:00:00Z", 3),
            (Texts{"2026-01-01T00:05", "2026-01-01T00:25", "2026-01-01T00:45"}));
  EXPECT_EQ(firings("@yearly", "UTC", "2026-01-01T00:00:00Z", 1), (Texts{"2027-01-01T00:00"}));
  EXPECT_EQ(firings("0 8 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", 1), (Texts{"2026-01-01T02:30"}));
}

TEST(R8_1, CronKeepsToTheWallClockInSummerTime) {
  // Europe/Berlin: 02:00 to 03:00 does not exist on 29 March 2026, and is there twice on 25 October.
  EXPECT_EQ(firings("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            (Texts{"2026-03-29T01:00", "2026-03-30T00:30"}))
      << "at the moment of the jump";
  EXPECT_EQ(firings("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            (Texts{"2026-03-29T01:00", "2026-03-30T00:00"}))
      << "once";
  EXPECT_EQ(firings("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            (Texts{"2026-10-25T00:30", "2026-10-26T01:30"}))
      << "the first of both";
  EXPECT_EQ(firings("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 5),
            (Texts{"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"}))
      << "where every hour fits, real time counts";
  EXPECT_EQ(firings("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
            (Texts{"2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"}));
}

TEST(R8_1, AWeekMayEndWithSundayByName) {
  const auto* from = "2026-01-01T00:00:00Z";  // a Thursday
  EXPECT_EQ(firings("0 9 * * sat-sun", "UTC", from, 3), firings("0 9 * * 6-7", "UTC", from, 3));
  EXPECT_EQ(firings("0 9 * * mon-sun", "UTC", from, 3), firings("0 9 * * *", "UTC", from, 3));
  EXPECT_EQ(firings("0 9 * * sun-mon", "UTC", from, 3), firings("0 9 * * 0-1", "UTC", from, 3));
  EXPECT_EQ(firings("@Daily", "UTC", from, 2), firings("0 0 * * *", "UTC", from, 2));
}

TEST(R8_1, WhatQuartzAndOthersHaveIsRefusedByName) {
  const auto complaint = [](const char* line) {
    auto cron = Cron::parse(line, "UTC");
    return cron ? std::string() : cron.error().message;
  };
  for (const auto* line : {"@every 5m", "@reboot", " @every 1h30m "})
    EXPECT_NE(complaint(line).find("is not known; there are @hourly"), std::string::npos) << complaint(line);
  for (const auto& [line, word] : {std::pair{"0 0 L * *", "\"L\" is no day of month"},
                                   {"0 0 ? * *", "\"?\" is no day of month"},
                                   {"0 0 15W * *", "\"15W\" is no day of month"},
                                   {"0 0 * * 5#2", "\"5#2\" is no day of week"},
                                   {"0 0 * * monday", "names from sun to sat"},
                                   {"0 0 * march *", "names from jan to dec"}})
    EXPECT_NE(complaint(line).find(word), std::string::npos) << complaint(line);
  EXPECT_EQ(complaint("  @daily\t"), "");
  EXPECT_EQ(complaint(" 0 0\t* * * "), "");
}

TEST(R8_1, CronLinesThatCannotBeAreRefused) {
  for (const auto* line :
       {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
        "5-1 * * * *", "*/0 * * * *", "1,,2 * * * *", "-1 * * * *", "1-2-3 * * * *", "* * * jam *", "@often", "@reboot",
        "* * * * sat-fri", "99999999999999999999 * * * *"}) {
    EXPECT_EQ(firings(line, "UTC", "2026-01-01T00:00:00Z", 1), (Texts{"cron-invalid"})) << line;
  }
  EXPECT_EQ(firings("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1), (Texts{"cron-never"}));
  EXPECT_EQ(firings("0 0 31 4,6,9,11 *", "UTC", "2026-01-01T00:00:00Z", 1), (Texts{"cron-never"}));
  for (const auto* zone : {"", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", ":UTC"}) {
    EXPECT_EQ(firings("* * * * *", zone, "2026-01-01T00:00:00Z", 1), (Texts{"zone-unknown"})) << zone;
  }
}

TEST(R8_1, IntervalsDoNotDriftAndCatchUpAsTheyWereTold) {
  auto every = Schedule::every(std::chrono::seconds{10});
  ASSERT_TRUE(every);
  const auto due = at("2026-01-01T00:00:00Z");
  using std::chrono::seconds;
  EXPECT_EQ(every->after(due, due + seconds{3}, Missed::kOnce), due + seconds{10})
      << "counted from the time it was due, not from its end";
  EXPECT_EQ(every->after(due, due + seconds{95}, Missed::kOnce), due + seconds{100}) << "still on its grid";
  EXPECT_EQ(every->after(due, due + seconds{95}, Missed::kSkip), due + seconds{100});
  EXPECT_EQ(every->after(due, due + seconds{95}, Missed::kAll), due + seconds{10});
  EXPECT_EQ(every->after(due, due + seconds{20'000}, Missed::kAll), due + seconds{20'010})
      << "there is an end to catching up";
  EXPECT_TRUE(Schedule::every(std::chrono::milliseconds{10}));
  EXPECT_FALSE(Schedule::every(std::chrono::milliseconds{9}));
  EXPECT_FALSE(Schedule::every(std::chrono::hours{24 * 400}));
}

TEST(R8_1, SchedulesSurviveAsTexts) {
  for (const auto* text : {"every 60000 ms", "cron 0 3 * * mon @ Europe/Berlin", "cron @daily @ UTC"}) {
    const auto schedule = Schedule::parse(text);
    ASSERT_TRUE(schedule) << text;
    EXPECT_EQ(schedule->text(), text);
  }
  for (const auto* text : {"", "every", "every x ms", "cron", "cron @ UTC", "cron * * * * *", "every 10 ms "})
    EXPECT_FALSE(Schedule::parse(text)) << text;
}

TEST(R8_3, RetriesComeLaterEachTimeAndNotTogether) {
  const Backoff backoff{std::chrono::seconds{2}, std::chrono::minutes{15}};
  EXPECT_EQ(delay_after(backoff, 1, 0.5), std::chrono::seconds{2});
  EXPECT_EQ(delay_after(backoff, 4, 0.5), std::chrono::seconds{16});
  EXPECT_EQ(delay_after(backoff, 1'000'000, 0.5), std::chrono::minutes{15});
  EXPECT_EQ(delay_after(backoff, 1, 0), std::chrono::milliseconds{1'500});
  EXPECT_EQ(delay_after(backoff, 1, 1), std::chrono::milliseconds{2'500});
}

}  // namespace
}  // namespace tiltyard::jobs
