#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace tiltyard::templates {

struct TextFault {
  int line;
  std::string message;
};

/// A text file as the parsers want it: no byte order mark, lines end with one line feed. Invalid UTF-8 and control
/// characters other than tab are faults, with the line.
std::expected<std::string, TextFault> clean_text(std::string_view raw);

}  // namespace tiltyard::templates
