#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "disk/reserve.h"
#include "disk/space.h"
#include "disk/through.h"
#include "disk/usage.h"
#include "disk/watch.h"

namespace tiltyard::disk {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::int64_t kMiB = 1 << 20;

class R1_5_Disk : public ::testing::Test {
 protected:
  R1_5_Disk() {
    std::string name = (fs::temp_directory_path() / "disk-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~R1_5_Disk() override { fs::remove_all(folder_); }

  std::string make(const std::string& name, std::int64_t bytes = 0) {
    const auto path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << std::string(static_cast<std::size_t>(bytes), 'x');
    return path.string();
  }

  /// A machine that has run for so long, in milliseconds.
  Watched machine(const std::string& name, std::uint64_t ran, Most most = {kMiB, 100}) {
    fs::create_directories(folder_ / name);
    run(name, ran);
    return {name, most, {(folder_ / name).string()}, (folder_ / (name + ".usage")).string()};
  }
  void run(const std::string& name, std::uint64_t milliseconds) {
    std::ofstream(folder_ / (name + ".usage")) << milliseconds * 1'000'000 << "\n";
  }

  static std::vector<std::string> names(const std::vector<Found>& found) {
    std::vector<std::string> out;
    for (const auto& one : found) out.push_back(one.name);
    return out;
  }

  fs::path folder_;
};

TEST_F(R1_5_Disk, WhatIsInFoldersIsCountedOnce) {
  make("m/a", 3 * kMiB);
  make("m/sub/b", kMiB);
  fs::create_hard_link(folder_ / "m/a", folder_ / "m/same");
  fs::create_directory_symlink("/usr", folder_ / "m/link");
  ASSERT_EQ(::truncate(make("m/hole").c_str(), 100 * kMiB), 0);
  const auto usage = usage_of({(folder_ / "m").string(), (folder_ / "gone").string()}, {});
  EXPECT_EQ(usage.inodes, 6) << "m, sub, a, b, link, hole";
  EXPECT_GE(usage.bytes, 4 * kMiB);
  EXPECT_LT(usage.bytes, 5 * kMiB);
  EXPECT_TRUE(usage.over({kMiB, 0}));
  EXPECT_TRUE(usage.over({0, 5}));
  EXPECT_FALSE(usage.over({5 * kMiB, 6}));
  EXPECT_FALSE(usage.over({}));
}

TEST_F(R1_5_Disk, CountingEndsWhereItIsTooMuch) {
  for (int i = 0; i < 300; ++i) make("m/" + std::to_string(i));
  EXPECT_EQ(usage_of({(folder_ / "m").string()}, {0, 50}).inodes, 51);
}

TEST_F(R1_5_Disk, NestedDeeperThanIsLookedIsTooMuch) {
  int here = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int depth = 0; depth < kDeepestLooked + 5; ++depth) {
    ASSERT_EQ(::mkdirat(here, "d", 0700), 0);
    const int next = ::openat(here, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(here);
    here = next;
  }
  ::close(here);
  EXPECT_TRUE(usage_of({folder_.string()}, {}).too_deep);
  EXPECT_FALSE(usage_of({(folder_ / "d/d/d/d/d/d/d/d").string()}, {}).too_deep);
}

TEST_F(R1_5_Disk, TheHalfCountsWhereAMachineWritesNow) {
  std::vector<std::string> folders;
  int asked = 0;
  const auto verb = usage_verb([&](const std::string&) -> Result<std::vector<std::string>> {
    ++asked;
    return folders;
  });
  const boost::json::object call{{"machine", "one"}, {"bytes", 0}, {"inodes", 0}};
  const auto inodes = [&] { return verb.run(privileged::Arguments(call, -1)).value().at("inodes").as_int64(); };
  EXPECT_EQ(inodes(), 0) << "it is made, and has no layer yet";
  make("before/a");
  folders = {(folder_ / "before").string()};
  EXPECT_EQ(inodes(), 2);
  EXPECT_EQ(inodes(), 2);
  EXPECT_EQ(asked, 2) << "the engine is asked once";
  fs::remove_all(folder_ / "before");
  make("after/a");
  make("after/b");
  folders = {(folder_ / "after").string()};
  EXPECT_EQ(inodes(), 3) << "made anew under its name";
}

TEST_F(R1_5_Disk, WhoHasHardlyRunIsNotLookedAtAgain) {
  auto now = Watch::Clock::time_point{} + 1h;
  Watch watch([&] { return now; });
  watch.put(machine("idle", 5));
  watch.put(machine("busy", 5));
  EXPECT_TRUE(watch.round(false).empty()) << "everybody once";
  make("idle/big", 2 * kMiB);
  make("busy/big", 2 * kMiB);
  run("busy", 100);
  EXPECT_TRUE(watch.round(false).empty()) << "not every round";
  now += 6s;
  EXPECT_EQ(names(watch.round(false)), std::vector<std::string>{"busy"});
  EXPECT_TRUE(watch.over("busy"));
  fs::remove(folder_ / "busy/big");
  EXPECT_FALSE(watch.over("busy"));
  run("idle", 40);
  now += 6s;
  EXPECT_EQ(names(watch.round(false)), std::vector<std::string>{"idle"});
  watch.drop("idle");
  EXPECT_FALSE(watch.over("idle"));
}

TEST_F(R1_5_Disk, AnAlarmLooksAtOnceAndAtTheLikeliestFirst) {
  auto now = Watch::Clock::time_point{} + 1h;
  Watch watch([&] { return now; });
  for (const auto* name : {"one", "two", "hog"}) watch.put(machine(name, 5));
  watch.round(false);
  run("hog", 500);
  run("one", 6);
  make("hog/big", 2 * kMiB);
  make("one/big", 2 * kMiB);
  make("two/big", 2 * kMiB);
  EXPECT_TRUE(watch.round(false).empty());
  EXPECT_EQ(names(watch.round(true)), (std::vector<std::string>{"hog", "one"})) << "two has not run at all";
}

TEST_F(R1_5_Disk, AThousandMachinesTakeUnderAHundredthOfACore) {
  auto now = Watch::Clock::time_point{} + 1h;
  // Each look at the clock takes a millisecond of it, so that each look at a machine costs one.
  Watch watch([&] { return now += 1ms; });
  for (int i = 0; i < 1000; ++i) watch.put(machine("m" + std::to_string(i), 5));
  watch.round(false);
  auto spent = 0ms;
  for (int round = 0; round < 100; ++round) {
    now += 500ms;
    const auto begun = now;
    watch.round(false);
    // What going over all of them reads of the clock is not a look.
    spent += std::chrono::duration_cast<std::chrono::milliseconds>(now - begun);
  }
  EXPECT_LE(spent, 50s / 50) << "of 50 seconds, by a clock that counts double";
}

TEST_F(R1_5_Disk, ThePartsOfControlGroupsAreRead) {
  auto now = Watch::Clock::time_point{} + 1h;
  Watch watch([&] { return now; });
  watch.put(machine("two", 0));
  std::ofstream(folder_ / "two.usage") << "usage_usec 1000\nuser_usec 900\n";
  watch.round(false);
  make("two/big", 2 * kMiB);
  now += 6s;
  std::ofstream(folder_ / "two.usage") << "usage_usec 90000\nuser_usec 900\n";
  EXPECT_EQ(watch.round(false).size(), 1u);
}

TEST_F(R1_5_Disk, AReserveIsMadeOnceAndGiven) {
  Reserve reserve((folder_ / "reserve").string(), kMiB);
  EXPECT_TRUE(reserve.hold());
  struct stat first{}, second{};
  ASSERT_EQ(::stat((folder_ / "reserve").c_str(), &first), 0);
  EXPECT_GE(first.st_blocks * 512, kMiB);
  EXPECT_TRUE(reserve.hold());
  ASSERT_EQ(::stat((folder_ / "reserve").c_str(), &second), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
  EXPECT_TRUE(reserve.give());
  EXPECT_FALSE(fs::exists(folder_ / "reserve"));
  EXPECT_FALSE(reserve.give());
  EXPECT_FALSE(Reserve((folder_ / "none").string(), 0).hold());
}

TEST_F(R1_5_Disk, LittleSpaceIsSaidInWords) {
  const Options options;
  EXPECT_FALSE((Space{3 * 1024 * kMiB, 200'000, true}).below(options));
  EXPECT_TRUE((Space{1024 * kMiB, 200'000, true}).below(options));
  EXPECT_TRUE((Space{3 * 1024 * kMiB, 5, true}).below(options));
  EXPECT_FALSE((Space{3 * 1024 * kMiB, 0, false}).below(options)) << "inodes are made as they are needed";
  EXPECT_EQ(words_of({1536 * kMiB, 200'000, true}, options), "1.5 GiB");
  EXPECT_EQ(words_of({100 * kMiB, 5, true}, options), "100 MiB and 5 inodes");
  EXPECT_TRUE(space_at(folder_.string()));
  EXPECT_FALSE(space_at("/nowhere/at/all"));
}

}  // namespace
}  // namespace tiltyard::disk
