#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace tiltyard::farm {

/// What a flag looks like: a regular expression in Python's syntax, as every A/D toolkit has it, run by RE2 (linear
/// time, whatever is posted). Thread-safe once made.
class FlagFormat {
 public:
  static constexpr std::size_t kLongestFlag = 256;  ///< bytes

  /// `farm-config-invalid`: what RE2 cannot do (look-around, back references, …), what does not parse, and a format
  /// that an empty text matches.
  static Result<std::shared_ptr<const FlagFormat>> make(std::string_view python);
  ~FlagFormat();

  /// The whole text is a flag.
  bool matches(std::string_view text) const;
  /// Calls `found` with every flag that stands in the text, from left to right, without overlaps.
  void find_all(std::string_view text, const std::function<void(std::string_view)>& found) const;
  /// As it was written, for clients in Python.
  const std::string& python() const { return python_; }

 private:
  FlagFormat(std::string python, std::unique_ptr<re2::RE2> whole, std::unique_ptr<re2::RE2> part);

  std::string python_;
  std::unique_ptr<re2::RE2> whole_, part_;
};

/// Python's spelling in RE2's: \Z, {,n}, \uXXXX. What both spell alike stays.
std::string re2_spelling(std::string_view python);

}  // namespace tiltyard::farm
