#include "farm/record.h"

#include <algorithm>

namespace tiltyard::farm {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

bool has_control(std::string_view text) { return std::ranges::any_of(text, is_control); }

std::string_view clean(std::string_view text, std::size_t most, std::string& into) {
  if (text.size() > most) {
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
    text = text.substr(0, most);
  }
  if (!has_control(text)) return text;
  into.assign(text);
  std::ranges::replace_if(into, is_control, '?');
  return into;
}

}  // namespace tiltyard::farm
