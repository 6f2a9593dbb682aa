#include "labs/machine_text.h"

#include <algorithm>
#include <cstdint>

namespace tiltyard::labs {
namespace {

constexpr char kEscape = 0x1B, kBell = 0x07;
/// A command that is longer is none.
constexpr std::size_t kLongestSequence = 256;

/// Bytes of a terminal's command at the front of `text`, which begins with the escape.
std::size_t command_at(std::string_view text) {
  if (text.size() == 1) return 1;
  const auto near = text.substr(0, kLongestSequence);
  if (text[1] == '[') {
    const auto end = std::find_if(near.begin() + 2, near.end(), [](char c) { return c >= 0x40 && c <= 0x7E; });
    return end == near.end() ? 2 : static_cast<std::size_t>(end - near.begin()) + 1;
  }
  if (std::string_view("]P_^X").contains(text[1])) {
    const auto bell = near.find(kBell), closed = near.find("\x1b\\", 2);
    if (bell < closed) return bell + 1;
    return closed == near.npos ? 2 : closed + 2;
  }
  return 2;
}

struct Character {
  std::size_t size = 1;
  std::uint32_t code = 0;
  bool valid = false;
};

/// RFC 3629: no longer forms than needed, no surrogates, nothing beyond U+10FFFF.
Character character_at(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  Character out;
  const auto lead = byte(0);
  if (lead < 0x80) return {1, lead, true};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (size == 0 || lead > 0xF4 || text.size() < size) return out;
  std::uint32_t code = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return out;
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return out;
  return {size, code, true};
}

/// What is no character to be seen, or turns the order of those around it.
bool is_command(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string plain(std::string_view said) {
  std::string out;
  out.reserve(said.size());
  for (std::size_t at = 0; at < said.size();) {
    const auto left = said.substr(at);
    if (left[0] == kEscape) {
      at += command_at(left);
      continue;
    }
    const auto character = character_at(left);
    at += character.size;
    if (!character.valid) out += "\uFFFD";
    else if (left[0] == '\r') out += left.size() > 1 && left[1] == '\n' ? "" : "\n";
    else if (left[0] == '\n' || left[0] == '\t' || !is_command(character.code)) out += left.substr(0, character.size);
    else out += '?';
  }
  return out;
}

std::string plain_line(std::string_view said, std::size_t most) {
  auto out = plain(said.substr(0, most * 2));
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  while (out.ends_with(' ')) out.pop_back();
  if (out.size() <= most) return out;
  auto cut = most;
  while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0) == 0x80) --cut;
  return out.substr(0, cut) + "…";
}

}  // namespace tiltyard::labs
