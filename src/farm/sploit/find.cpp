#include "farm/sploit/find.h"

#include <algorithm>

namespace tiltyard::farm::sploit {
namespace {

/// How many bytes the UTF-8 sequence at the start of `text` has; 0 when it is none (RFC 3629: shortest form, no
/// surrogates, at most U+10FFFF).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const auto first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if ((first == 0xE0 && at(1) < 0xA0) || (first == 0xED && at(1) > 0x9F)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if ((first == 0xF0 && at(1) < 0x90) || (first == 0xF4 && at(1) > 0x8F)) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string readable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = sequence_length(text);
    out += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::vector<std::string> find_flags(const farm::FlagFormat& format, std::string_view text) {
  std::vector<std::string> out;
  format.find_all(text, [&](std::string_view flag) {
    if (std::ranges::find(out, flag) == out.end()) out.emplace_back(flag);
  });
  return out;
}

}  // namespace tiltyard::farm::sploit
