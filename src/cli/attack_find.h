#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace tiltyard::cli {

/// `text` as UTF-8: bytes that are none become U+FFFD, one each, as Python's errors="replace" does in most cases.
std::string readable(std::string_view text);

/// Finds flags in what a program prints. Thread-safe.
class FlagFinder {
 public:
  /// `format` is a regular expression as Python writes it; `flag-format-unreadable` where RE2 cannot read it.
  static Result<FlagFinder> make(const std::string& format);

  /// All flags in a readable text, each once, in their order. With exactly one group a flag is what the group matched, as
  /// Python's findall does. Empty matches are none.
  std::vector<std::string> find(std::string_view text) const;

 private:
  explicit FlagFinder(std::shared_ptr<const re2::RE2> format) : format_(std::move(format)) {}
  std::shared_ptr<const re2::RE2> format_;
};

}  // namespace tiltyard::cli
