#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/test_folder.h"
#include "templates/reader.h"

namespace tiltyard::templates {

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
