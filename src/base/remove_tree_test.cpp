#include "base/remove_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tiltyard {
namespace {

namespace fs = std::filesystem;

/// A folder that goes with the test, open, and few descriptors beside it.
class R1_12_RemoveTree : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tree-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    at_ = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit few{static_cast<rlim_t>(at_) + 30, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  void TearDown() override {
    ::setrlimit(RLIMIT_NOFILE, &before_);
    ::close(at_);
    fs::remove_all(folder_);
  }

  /// As often as there is something that was moved up.
  int remove_all() {
    int rounds = 0;
    for (; !fs::is_empty(folder_); ++rounds) {
      for (const auto& entry : fs::directory_iterator(folder_)) {
        const auto removed = remove_tree(at_, entry.path().filename().string());
        EXPECT_TRUE(removed) << removed.error().cause;
        if (!removed) return -1;
      }
    }
    return rounds;
  }

  fs::path folder_;
  int at_ = -1;
  rlimit before_{};
};

TEST_F(R1_12_RemoveTree, HoweverDeep) {
  int here = ::dup(at_);
  for (int depth = 0; depth < 5000; ++depth) {
    ASSERT_EQ(::mkdirat(here, "d", 0700), 0);
    const int next = ::openat(here, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(next, 0);
    ::close(::openat(next, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::close(here);
    here = next;
  }
  ::close(here);
  EXPECT_GT(remove_all(), 1);
}

TEST_F(R1_12_RemoveTree, HoweverWide) {
  fs::create_directories(folder_ / "w");
  for (int i = 0; i < 3000; ++i) {
    fs::create_directory(folder_ / "w" / ("d" + std::to_string(i)));
    std::ofstream(folder_ / "w" / ("d" + std::to_string(i)) / "f") << "x";
  }
  EXPECT_EQ(remove_all(), 1);
}

TEST_F(R1_12_RemoveTree, LinksGoAndWhatTheyLeadToStays) {
  const auto other = fs::path(folder_.string() + "-other");
  fs::create_directories(other);
  std::ofstream(other / "kept") << "x";
  fs::create_directories(folder_ / "t");
  fs::create_directory_symlink(other, folder_ / "t" / "link");
  fs::create_directory_symlink(other, folder_ / "top");
  ASSERT_EQ(::mkfifo((folder_ / "t" / "pipe").c_str(), 0600), 0);
  remove_all();
  EXPECT_TRUE(fs::exists(other / "kept"));
  fs::remove_all(other);
  EXPECT_TRUE(remove_tree(at_, "never-there"));
}

}  // namespace
}  // namespace tiltyard
