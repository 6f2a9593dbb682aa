#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

/// asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/): a line of JSON that says what it is, then one for
/// each thing that happened. What is typed is never written.
namespace tiltyard::recordings {

/// Makes the lines of one recording. Characters that come in halves are held until the rest is there; what is no UTF-8
/// becomes U+FFFD.
class Asciicast {
 public:
  static std::string head(int columns, int rows, TimePoint started, std::string_view title);

  /// `at` is since the start, and does not go back. Empty: nothing whole has come yet.
  std::string output(Duration at, std::string_view bytes);
  std::string resize(Duration at, int columns, int rows);
  std::string mark(Duration at, std::string_view text);
  /// What was held and is never completed.
  std::string rest(Duration at);

 private:
  std::string held_;
};

/// How much of a file is whole lines: what a process that died was writing is left out.
std::size_t whole_lines(std::string_view bytes);

}  // namespace tiltyard::recordings
