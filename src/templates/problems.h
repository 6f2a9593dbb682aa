#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "templates/model.h"

namespace tiltyard::templates {

/// A file that was read. `base` is the folder that relative paths in it start from. Both are relative to the template's
/// folder; an empty base is the folder itself.
struct Source {
  std::string file;
  std::string base;
};

/// Where something was said: kept with every value, so that a check made after merging still names the right line.
struct Place {
  std::shared_ptr<const Source> source;
  int line = 0;  ///< from 1; 0: the whole file

  std::string file() const { return source ? source->file : std::string{}; }
  std::string base() const { return source ? source->base : std::string{}; }
};

inline Place place_of(std::string file, int line = 0) {
  return Place{std::make_shared<const Source>(Source{std::move(file), {}}), line};
}

/// Collects what is wrong. Beyond a bound further problems are only counted: nobody reads the thousandth, and a hostile
/// file must not fill the memory with them.
class Problems {
 public:
  void error(const Place& place, std::string message, std::optional<Fix> fix = std::nullopt) {
    add(Problem::Severity::kError, place, std::move(message), std::move(fix));
  }
  void warn(const Place& place, std::string message, std::optional<Fix> fix = std::nullopt) {
    add(Problem::Severity::kWarning, place, std::move(message), std::move(fix));
  }
  void note(const Place& place, std::string message) {
    add(Problem::Severity::kNote, place, std::move(message), std::nullopt);
  }

  bool broken() const { return errors_ > 0; }
  int errors() const { return errors_; }
  std::vector<Problem> take() { return std::move(list_); }

 private:
  static constexpr std::size_t kMost = 100;
  void add(Problem::Severity severity, const Place& place, std::string message, std::optional<Fix> fix);

  std::vector<Problem> list_;
  int errors_ = 0;
};

}  // namespace tiltyard::templates
