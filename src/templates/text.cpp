#include "templates/text.h"

#include <cstdint>

namespace tiltyard::templates {
namespace {

/// Length of the valid UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF); 0: none.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const auto trails = [&](std::size_t count) {
    for (std::size_t i = 1; i <= count; ++i) {
      if ((byte(i) & 0xC0) != 0x80) return false;
    }
    return true;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return trails(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!trails(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!trails(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::expected<std::string, TextFault> clean_text(std::string_view raw) {
  if (raw.starts_with("\xEF\xBB\xBF")) raw.remove_prefix(3);
  std::string out;
  out.reserve(raw.size());
  int line = 1;
  for (std::size_t i = 0; i < raw.size();) {
    const char c = raw[i];
    if (c == '\r') {
      if (i + 1 < raw.size() && raw[i + 1] == '\n') ++i;
      out += '\n';
      ++line;
      ++i;
      continue;
    }
    const auto value = static_cast<unsigned char>(c);
    if ((value < 0x20 && c != '\n' && c != '\t') || value == 0x7F) {
      return std::unexpected(TextFault{line, "a control character; this is not a text file"});
    }
    const std::size_t length = sequence_length(raw, i);
    if (length == 0) return std::unexpected(TextFault{line, "not valid UTF-8; save the file with that encoding"});
    out.append(raw.substr(i, length));
    if (c == '\n') ++line;
    i += length;
  }
  return out;
}

}  // namespace tiltyard::templates
