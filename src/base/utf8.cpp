#include "base/utf8.h"

namespace tiltyard {
namespace {

/// The beginning of `bytes` (which are some) as far as it can belong to one character: how many bytes, and whether they
/// are a whole one. Never none.
struct Beginning {
  std::size_t length;
  bool whole;
};

Beginning beginning_of(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto first = at(0);
  if (first < 0x80) return {1, true};
  const std::size_t length = first >= 0xC2 && first < 0xE0   ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  if (length == 0) return {1, false};
  // The first bytes of overlong forms, of surrogates and of what lies above U+10FFFF narrow the second one.
  const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (bytes.size() < 2 || at(1) < least || at(1) > most) return {1, false};
  for (std::size_t k = 2; k < length; ++k) {
    if (bytes.size() <= k || (at(k) & 0xC0) != 0x80) return {k, false};
  }
  return {length, true};
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    if (static_cast<unsigned char>(bytes[at]) < 0x80) {  // nearly all
      ++at;
      continue;
    }
    const auto [length, whole] = beginning_of(bytes.substr(at));
    if (!whole) return false;
    at += length;
  }
  return true;
}

std::string as_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const auto [length, whole] = beginning_of(bytes);
    if (whole) out.append(bytes, 0, length);
    else out += "\xEF\xBF\xBD";
    bytes.remove_prefix(length);
  }
  return out;
}

}  // namespace tiltyard
