#include "privileged/own_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.h"

namespace tiltyard::privileged {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// The verbs on a folder of root's; without root there are none.
class R10_6_OwnFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root has such a folder";
    std::string name = (fs::temp_directory_path() / "files-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto verbs = file_verbs(folder_ / "files", [this](const std::string& id) {
      taken_ = id;
      return Result<>{};
    });
    ASSERT_TRUE(verbs) << verbs.error().message;
    verbs_ = std::move(*verbs);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<json::object> call(const std::string& verb, const json::object& arguments, int file = -1) {
    const auto found = std::ranges::find(verbs_, verb, &Verb::name);
    return found->run(Arguments(arguments, file));
  }
  std::string reason(const std::string& verb, const json::object& arguments, int file = -1) {
    auto answer = call(verb, arguments, file);
    return answer ? "" : answer.error().reason;
  }
  static json::object a_file(const std::string& path) {
    return {{"instance", "i1"}, {"path", path},           {"user", 12}, {"group", 34},
            {"mode", 04640},    {"seconds", 981'173'106}, {"nanos", 5}, {"capability", ""}};
  }
  static Descriptor holding(const std::string& text) {
    Descriptor memory(::memfd_create("content", MFD_CLOEXEC));
    EXPECT_EQ(::write(memory.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    return memory;
  }
  std::string read(const std::string& path) {
    std::ifstream in(folder_ / "files" / path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path folder_;
  std::vector<Verb> verbs_;
  std::string taken_;
};

TEST_F(R10_6_OwnFiles, AFileGetsItsContentOwnerModeAndTimeAndKeepsItsInode) {
  ASSERT_EQ(reason("files.place", a_file("flags/0"), holding("a longer flag").get()), "");
  struct stat before{}, after{};
  ASSERT_EQ(::stat((folder_ / "files/i1/flags/0").c_str(), &before), 0);
  EXPECT_EQ(before.st_uid, 12u);
  EXPECT_EQ(before.st_gid, 34u);
  EXPECT_EQ(before.st_mode & 07777, 04640u);
  EXPECT_EQ(before.st_mtim.tv_sec, 981'173'106);
  ASSERT_EQ(reason("files.place", a_file("flags/0"), holding("flag").get()), "");
  ASSERT_EQ(::stat((folder_ / "files/i1/flags/0").c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(read("i1/flags/0"), "flag");
}

TEST_F(R10_6_OwnFiles, ATreeIsMadeAndMovedToItsPlace) {
  ASSERT_EQ(
      reason("files.folder", {{"instance", "i1"}, {"path", "binds/.part"}, {"user", 1}, {"group", 2}, {"mode", 0751}}),
      "");
  ASSERT_EQ(reason("files.place", a_file("binds/.part/f"), holding("x").get()), "");
  ASSERT_EQ(reason("files.link", {{"instance", "i1"}, {"path", "binds/.part/l"}, {"target", "f"}}), "");
  const json::object moving{{"instance", "i1"}, {"from", "binds/.part"}, {"to", "binds/d"}};
  ASSERT_EQ(reason("files.move", moving), "");
  EXPECT_EQ(read("i1/binds/d/l"), "x");
  EXPECT_TRUE(flag_of(*call("files.there", {{"instance", "i1"}, {"path", "binds/d"}}), "there"));
  EXPECT_FALSE(flag_of(*call("files.there", {{"instance", "i1"}, {"path", "binds/.part"}}), "there"));
  ASSERT_EQ(
      reason("files.folder", {{"instance", "i1"}, {"path", "binds/.part"}, {"user", 0}, {"group", 0}, {"mode", 0700}}),
      "");
  EXPECT_EQ(reason("files.move", moving), "file-refused");
  EXPECT_EQ(reason("files.take", {{"instance", "i1"}}), "");
  EXPECT_EQ(taken_, "i1");
}

TEST_F(R10_6_OwnFiles, NoNameLeadsOutOfTheFolder) {
  const auto content = holding("x");
  for (const auto* path : {"../x/y", "flags/..", "flags/../../x", "/etc/passwd", "flags//0", "flags/", "flags", "."})
    EXPECT_EQ(reason("files.place", a_file(path), content.get()), "argument-refused") << path;
  for (const auto* id : {"..", "a/b", "", ".gone", "-a"})
    EXPECT_EQ(reason("files.take", {{"instance", id}}), "argument-refused") << id;
}

TEST_F(R10_6_OwnFiles, WhatAMachinePlantedIsNeitherFollowedNorWaitedFor) {
  const auto content = holding("x");
  fs::create_directories(folder_ / "files" / "i1" / "binds" / "d");
  fs::create_directories(folder_ / "outside");
  const auto planted = folder_ / "files" / "i1" / "binds" / "d";
  fs::create_directory_symlink(folder_ / "outside", planted / "away");
  fs::create_symlink(folder_ / "outside" / "f", planted / "link");
  std::ofstream(folder_ / "outside" / "g") << "kept";
  fs::create_hard_link(folder_ / "outside" / "g", planted / "hard");
  ASSERT_EQ(::mkfifo((planted / "pipe").c_str(), 0666), 0);
  EXPECT_EQ(reason("files.place", a_file("binds/d/away/f"), content.get()), "file-refused");
  EXPECT_EQ(reason("files.place", a_file("binds/d/link"), content.get()), "file-refused");
  EXPECT_NE(reason("files.place", a_file("binds/d/pipe"), content.get()), "");
  EXPECT_EQ(reason("files.place", a_file("binds/d/hard"), content.get()), "argument-refused");
  EXPECT_EQ(fs::directory_iterator(folder_ / "outside")->path().filename(), "g");
  std::ifstream kept(folder_ / "outside" / "g");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(kept), {}), "kept");
}

TEST_F(R10_6_OwnFiles, ContentIsAnOpenFileAndNothingElse) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor out(ends[0]), in(ends[1]);
  EXPECT_EQ(reason("files.place", a_file("flags/0")), "argument-refused");
  EXPECT_EQ(reason("files.place", a_file("flags/0"), out.get()), "argument-refused");
}

TEST_F(R10_6_OwnFiles, AFolderThatOthersCanEnterIsRefused) {
  ASSERT_EQ(::chmod((folder_ / "files").c_str(), 0755), 0);
  const auto verbs = file_verbs(folder_ / "files", {});
  ASSERT_FALSE(verbs);
  EXPECT_EQ(verbs.error().reason, "files-unfit");
}

}  // namespace
}  // namespace tiltyard::privileged
