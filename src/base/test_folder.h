#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace tiltyard {

/// A folder for a test's files that lives as long as the test.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/tiltyard-test-XXXXXX";
    path_ = std::filesystem::canonical(::mkdtemp(name));
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string at(std::string_view name) const { return (path_ / name).string(); }

  /// The file's path.
  std::string write(std::string_view name, std::string_view text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }
  void remove(std::string_view name) const { std::filesystem::remove_all(path_ / name); }
  void link(std::string_view name, std::string_view target) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::filesystem::create_symlink(target, path_ / name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace tiltyard
