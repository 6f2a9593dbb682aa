// Row 5.3: challenges as their files say them.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include "base/test_folder.h"
#include "contest/shelf.h"

namespace tiltyard::contest {
namespace {

std::optional<std::string> read_below(const std::string& folder, const std::string& path) {
  const auto file = open_below(folder, path);
  if (!file) return std::nullopt;
  char text[64];
  const auto got = ::read(*file, text, sizeof text);
  ::close(*file);
  return std::string(text, static_cast<std::size_t>(got));
}

TEST(R5_3, AHandOutIsAFileBelowItsFolder) {
  const TestFolder folder;
  folder.write("one/files/source.txt", "the source");
  folder.write("secret", "nobody's");
  std::filesystem::create_symlink("source.txt", folder.at("one/files/again"));
  std::filesystem::create_symlink(folder.at("secret"), folder.at("one/out"));
  std::filesystem::create_symlink("..", folder.at("one/up"));
  const auto one = folder.at("one");
  EXPECT_EQ(read_below(one, "files/source.txt"), "the source");
  EXPECT_EQ(read_below(one, "files/again"), "the source") << "links stay inside";
  for (const auto* path : {"out", "up/secret", "../secret", "/etc/hostname", "files", "none", "/proc/self/environ"})
    EXPECT_EQ(read_below(one, path), std::nullopt) << path;
}

}  // namespace
}  // namespace tiltyard::contest
