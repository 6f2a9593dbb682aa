#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "templates/reader.h"

namespace tiltyard::templates {

/// A folder of templates that lives as long as the test.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/tiltyard-templates-XXXXXX";
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

  void write(std::string_view name, std::string_view text) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  void remove(std::string_view name) const { std::filesystem::remove_all(path_ / name); }
  void link(std::string_view name, std::string_view target) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::filesystem::create_symlink(target, path_ / name);
  }

 private:
  std::filesystem::path path_;
};

inline Options test_options() {
  Options options;
  options.bounds = standard_bounds();
  return options;
}

/// Reads the folder "t" of a fresh folder of templates with one compose file.
inline Template read_compose_text(const TestFolder& folder, std::string_view compose,
                                  const Options& options = test_options()) {
  folder.write("t/compose.yaml", compose);
  return read_folder(folder.at("t"), options);
}

inline std::string problems_text(const Template& tmpl) { return format_problems(tmpl); }

/// The first problem whose message holds `part`; fails the test if there is none.
inline Problem problem_with(const Template& tmpl, std::string_view part) {
  for (const auto& problem : tmpl.problems) {
    if (problem.message.find(part) != std::string::npos) return problem;
  }
  ADD_FAILURE() << "no problem says \"" << part << "\"; there are:\n" << problems_text(tmpl);
  return {};
}

inline bool says(const Template& tmpl, std::string_view part) {
  for (const auto& problem : tmpl.problems) {
    if (problem.message.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace tiltyard::templates
