#include "templates/problems.h"

#include <fmt/format.h>

#include <algorithm>

#include "templates/reader.h"
#include "templates/values.h"

namespace tiltyard::templates {

void Problems::add(Problem::Severity severity, const Place& place, std::string message, std::optional<Fix> fix) {
  const bool is_error = severity == Problem::Severity::kError;
  if (is_error) ++errors_;
  Problem problem{severity, place.file(), place.line, printable(message, 600), std::move(fix)};
  // The same text at the same place says nothing new: an alias or an `extends` repeats what it repeats.
  if (std::ranges::find(list_, problem) != list_.end()) return;
  if (list_.size() >= kMost && !(is_error && errors_ == 1)) return;
  list_.push_back(std::move(problem));
}

std::string format_problems(const Template& tmpl) {
  std::string out;
  for (const auto& problem : tmpl.problems) {
    const std::string file = problem.file.empty() ? tmpl.id.str() : problem.file;
    const auto severity = word_of(problem.severity);
    if (problem.line > 0) {
      out += fmt::format("{}:{}: {}: {}\n", file, problem.line, severity, problem.message);
    } else {
      out += fmt::format("{}: {}: {}\n", file, severity, problem.message);
    }
  }
  return out;
}

}  // namespace tiltyard::templates
