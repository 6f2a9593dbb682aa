// The parts of `tiltyard attack` that need no farm.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/test_folder.h"
#include "farm/sploit/attack.h"
#include "farm/sploit/backlog.h"
#include "farm/sploit/find.h"
#include "farm/sploit/runs.h"

namespace tiltyard::farm::sploit {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// --- finding flags ------------------------------------------------------------------------------

std::vector<std::string> found(const std::string& format, const std::string& bytes) {
  return find_flags(**farm::FlagFormat::make(format), readable(bytes));
}

TEST(R6_8, EachFlagOfALineIsFoundOnce) {
  const std::string flag = "A123456789012345678901234567890=";
  EXPECT_EQ(found("[A-Z0-9]{31}=", "x " + flag + " " + flag + ";" + "B" + flag.substr(1)),
            (std::vector<std::string>{flag, "B" + flag.substr(1)}));
  EXPECT_EQ(found("FLAG\\{\\w+\\}", "FLAG{ab}FLAG{cd} FLAG{}"), (std::vector<std::string>{"FLAG{ab}", "FLAG{cd}"}));
}

TEST(R6_8, OutputThatIsNotUtf8Survives) {
  EXPECT_EQ(readable("a\xff\xfe"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(readable("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(readable("\xC0\xAF\xED\xA0\x80").find('\xC0'), std::string::npos);
  EXPECT_EQ(found("F[0-9]+=",
                  "\xff\x80"
                  "F12=\xf0\x9f"),
            (std::vector<std::string>{"F12="}));
}

RC_GTEST_PROP(R6_8, WhatIsReadableStaysAsItIs, (const std::string& bytes)) {
  const auto once = readable(bytes);
  RC_ASSERT(readable(once) == once);
}

// --- the backlog --------------------------------------------------------------------------------

TEST(R6_8, TheBacklogSurvivesTheEndOfTheProgram) {
  const TestFolder folder;
  const auto path = folder.at("x.flags");
  {
    auto backlog = Backlog::open(path);
    ASSERT_TRUE(backlog);
    ASSERT_TRUE((*backlog)->add({{"F1", "s", "t"}, {"F2\n\"", "s", "t"}, {"F3", "s", "*"}}));
    const auto first = (*backlog)->oldest(1);
    EXPECT_EQ(first.flags.front().flag, "F1");
    (*backlog)->sent(first);
    EXPECT_EQ((*backlog)->size(), 2U);
  }
  // A kill in mid-write.
  std::ofstream(path, std::ios::app) << R"({"flag":"F4","spl)";
  auto again = Backlog::open(path);
  ASSERT_TRUE(again);
  // F1 is there again: an end is no reason to rewrite the file, and the farm knows it.
  ASSERT_TRUE((*again)->add({{"F5", "s", "t"}}));
  const auto all = (*again)->oldest(100);
  std::vector<std::string> flags;
  for (const auto& found : all.flags) flags.push_back(found.flag);
  EXPECT_EQ(flags, (std::vector<std::string>{"F1", "F2\n\"", "F3", "F5"}));
  (*again)->sent(all);
  EXPECT_EQ((*again)->size(), 0U);
  EXPECT_EQ(fs::file_size(path), 0U);
}

TEST(R6_8, TwoAttacksOfOneKindHaveTwoBacklogs) {
  const TestFolder folder;
  auto first = Backlog::open(folder.at("x.flags"));
  auto second = Backlog::open(folder.at("x.flags"));
  ASSERT_TRUE(first && second);
  EXPECT_NE((*first)->path(), (*second)->path());
}

// --- running programs ---------------------------------------------------------------------------

struct Watched {
  std::map<int, std::vector<std::string>> lines;
  Runs runs{[this](int id, std::string_view line) { lines[id].emplace_back(line); }};
  int wake = ::eventfd(0, EFD_CLOEXEC);
  ~Watched() { ::close(wake); }

  int shell(const std::string& script, std::optional<std::chrono::milliseconds> limit = {}, std::uint64_t memory = 0) {
    std::optional<Steady::time_point> deadline;
    if (limit) deadline = Steady::now() + *limit;
    Program program;
    program.command = {"/bin/sh", "-c", script};
    program.environment = {"PATH=/usr/bin:/bin"};
    program.memory = memory;
    auto id = runs.start(std::move(program), deadline);
    EXPECT_TRUE(id);
    return id.value_or(0);
  }
  std::map<int, Ended> until_all_ended() {
    std::map<int, Ended> out;
    const auto until = Steady::now() + 20s;
    while (runs.size() > 0 && Steady::now() < until) {
      for (const auto& ended : runs.wait(until, wake)) out.emplace(ended.id, ended);
    }
    return out;
  }
};

TEST(R6_8, LinesCodesAndSignalsOfManyPrograms) {
  Watched watched;
  const auto good = watched.shell("echo one; echo two >&2; printf three; exit 3");
  const auto killed = watched.shell("kill -9 $$");
  const auto bytes = watched.shell("printf '\\377\\376F1=\\n'");
  const auto ended = watched.until_all_ended();
  EXPECT_EQ(ended.at(good).code, 3);
  EXPECT_EQ(watched.lines[good], (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(ended.at(killed).code, -9);
  EXPECT_EQ(watched.lines[bytes], (std::vector<std::string>{"\xff\xfe"
                                                            "F1="}));
}

TEST(R6_8, AProgramOutOfTimeIsKilledWithAllItStartedAndItsOutputKept) {
  Watched watched;
  const auto slow = watched.shell("echo early; sleep 600 & echo $!; wait", 300ms);
  const auto ended = watched.until_all_ended();
  EXPECT_TRUE(ended.at(slow).timed_out);
  ASSERT_EQ(watched.lines[slow].size(), 2U);
  EXPECT_EQ(watched.lines[slow][0], "early");
  const auto child = std::stoi(watched.lines[slow][1]);
  // Killed; a zombie at most, until init has looked at it.
  bool over = false;
  for (const auto until = Steady::now() + 10s; !over && Steady::now() < until; std::this_thread::sleep_for(2ms)) {
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string state;
    for (int i = 0; i < 3 && status; ++i) status >> state;
    over = !status || state == "Z";
  }
  EXPECT_TRUE(over);
}

TEST(R6_8, ALineWithoutAnEndTakesBoundedMemory) {
  Watched watched;
  const auto loud = watched.shell("head -c 3000000 /dev/zero | tr '\\0' x; echo F1=");
  const auto ended = watched.until_all_ended();
  EXPECT_EQ(ended.at(loud).code, 0);
  std::size_t longest = 0;
  for (const auto& line : watched.lines[loud]) longest = std::max(longest, line.size());
  EXPECT_LT(longest, 200'000U);
  EXPECT_TRUE(watched.lines[loud].back().ends_with("F1="));
}

TEST(R6_8, MemoryHasACap) {
  Watched watched;
  const std::string script = "head -c 100m /dev/zero | tail -c 90m | wc -c";
  const auto hungry = watched.shell(script, {}, 64 << 20);
  const auto roomy = watched.shell(script);
  watched.until_all_ended();
  EXPECT_EQ(std::ranges::count(watched.lines[hungry], "94371840"), 0);
  EXPECT_EQ(std::ranges::count(watched.lines[roomy], "94371840"), 1);
}

TEST(R6_8, WhatCannotBeStartedIsSaid) {
  Watched watched;
  Program program;
  program.command = {"/nowhere/at/all"};
  const auto started = watched.runs.start(std::move(program), {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().reason, "program-unstartable");
}

// --- words and shares ---------------------------------------------------------------------------

TEST(R6_8, TeamsAreDividedAsStartSploitDoes) {
  // binascii.crc32(b"10.60.1.1") % 3 and so on, from Python.
  const std::map<std::string, std::uint32_t> thirds{
      {"10.60.1.1", 0}, {"10.60.2.1", 1}, {"10.60.3.1", 1}, {"10.60.4.1", 0}, {"10.60.5.1", 2}};
  for (const auto& [address, rest] : thirds) {
    for (std::uint32_t part = 1; part <= 3; ++part)
      EXPECT_EQ((Share{part, 3}.has({"", address})), rest == part - 1) << address << " " << part;
  }
  EXPECT_EQ(parse_share("2/3")->part, 2U);
  EXPECT_EQ(parse_share("")->parts, 1U);
  for (const auto* wrong : {"1/1", "0/2", "3/2", "a/b", "1", "1/2/3", "-1/2"})
    EXPECT_FALSE(parse_share(wrong)) << wrong;
}

TEST(R6_8, TheAddressComesFirstOrWhereItIsWanted) {
  AttackOptions options;
  options.sploit = "/x/s.py";
  const Target team{"Team 3", "10.0.0.3"};
  EXPECT_EQ(command_for(options, team, "{}"), (std::vector<std::string>{"/x/s.py", "10.0.0.3"}));
  EXPECT_EQ(command_for(options, {"*", ""}, "{}"), (std::vector<std::string>{"/x/s.py"}));
  options.arguments = {"--url=http://{host}:80", "{team}", "{ids}"};
  options.interpreter = "python3";
  EXPECT_EQ(command_for(options, team, "[1]"),
            (std::vector<std::string>{"python3", "/x/s.py", "--url=http://10.0.0.3:80", "Team 3", "[1]"}));
}

TEST(R6_6, ATeamsFlagIdsAreFoundByAddressNameOrNumber) {
  const auto ids =
      boost::json::parse(R"({"a":{"10.0.0.3":["x"]},"b":{"Team 03":["y"]},"c":{"3":["z"]},"d":{"4":["no"]}})");
  EXPECT_EQ(boost::json::serialize(ids_of_team(ids, {"Team 03", "10.0.0.3"})), R"({"a":["x"],"b":["y"],"c":["z"]})");
  EXPECT_TRUE(ids_of_team(boost::json::parse("[]"), {"Team 3", "x"}).empty());
}

TEST(R6_8, TokensAreNotHandedToExploits) {
  const auto got = environment_for({{"TILTYARD_TOKEN", "secret"}, {"TILTYARD_FARM_TOKEN", "secret"}, {"HOME", "/h"}},
                                   {"t", "a"}, "{}", "/f", 4);
  for (const auto& entry : got) EXPECT_EQ(entry.find("secret"), std::string::npos) << entry;
  EXPECT_NE(std::ranges::find(got, "HOME=/h"), got.end());
  EXPECT_NE(std::ranges::find(got, "TILTYARD_ROUND=4"), got.end());
  EXPECT_NE(std::ranges::find(got, "TILTYARD_FLAG_IDS={}"), got.end());
}

}  // namespace
}  // namespace tiltyard::farm::sploit
