// Each format has an example of its own making in testdata/NAME/in (packed first where NAME ends with -zip). Beside it
// stand the report as text and as JSON, and what was made. UPDATE_GOLDEN=1 writes them anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/serialize.hpp>

#include <cstdlib>
#include <filesystem>

#include "imports/import.h"
#include "imports/import_test.h"

namespace tiltyard::imports {
namespace {

namespace fs = std::filesystem;

/// What the templates' reader warns of and notes is the matter of its own tests.
void drop_warnings(Report& report) {
  for (auto& item : report.items) {
    std::erase_if(item.problems, [](const templates::Problem& problem) {
      return problem.severity != templates::Problem::Severity::kError;
    });
  }
}

/// One line a member, so that a difference shows where it is.
std::string spread(std::string json) {
  std::string out;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '{' && i > 0 && (json[i - 1] == '[' || json[i - 1] == ',')) out += '\n';
    out += json[i];
  }
  return out + "\n";
}

std::string made_text(const fs::path& into) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(into)) {
    if (!entry.is_directory() && !entry.path().filename().string().starts_with(".import"))
      paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::string out;
  for (const auto& path : paths) {
    const auto name = path.lexically_relative(into).generic_string();
    out += "==== " + name + "\n";
    const bool generated = std::ranges::count(name, '/') == 1;
    if (generated) out += text_of_file(path);
  }
  return out;
}

void expect_golden(const fs::path& file, const std::string& text) {
  if (std::getenv("UPDATE_GOLDEN")) return write_file(file, text);
  EXPECT_EQ(text, text_of_file(file)) << file << "; UPDATE_GOLDEN=1 writes it anew";
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, R1_16_ReportAndResultAreAsWritten) {
  const auto folder = fs::path(TILTYARD_SOURCE_DIR) / "src/imports/testdata" / GetParam();
  TestFolder made;
  auto path = folder / "in";
  if (GetParam().ends_with("-zip")) {
    pack_folder(path, made.at("in.zip"));
    path = made.at("in.zip");
  }
  auto report = import_challenges(path.string(), test_options(made.at("templates")));
  ASSERT_TRUE(report) << report.error().message;
  drop_warnings(*report);
  expect_golden(folder / "report.txt", report_text(*report));
  expect_golden(folder / "report.json", spread(boost::json::serialize(report_json(*report))));
  expect_golden(folder / "made.txt", made_text(made.at("templates")));
  // A second time nothing is another.
  auto again = import_challenges(path.string(), test_options(made.at("templates")));
  ASSERT_TRUE(again);
  for (const auto& item : again->items) {
    EXPECT_TRUE(item.state == Item::State::kSame || item.state == Item::State::kRefused) << item.id;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Golden,
                         testing::Values("compose", "ctfcli", "whaley", "rctf", "kctf", "klodd", "dojo", "gzctf-zip",
                                         "ctfd-zip", "mixed"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace tiltyard::imports
