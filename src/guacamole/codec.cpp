#include "guacamole/codec.h"

#include <algorithm>
#include <optional>

#include "base/utf8.h"

namespace tiltyard::guacamole {
namespace {

constexpr std::size_t kMostDigits = 5;

std::unexpected<Error> malformed() {
  return fail(Code::kInvalid, "guacamole-malformed", "This is no instruction of the Guacamole protocol.");
}

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

struct Element {
  std::string_view text;
  std::size_t end;  ///< where its separator stands
};

/// The element at `at`; nullopt: more of it is to come.
Result<std::optional<Element>> element_at(std::string_view bytes, std::size_t at) {
  std::size_t left = 0;
  const auto digits = at;
  while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9') {
    left = left * 10 + static_cast<std::size_t>(bytes[at++] - '0');
    if (at - digits > kMostDigits) return malformed();
  }
  if (at == bytes.size()) return std::nullopt;
  if (at == digits || bytes[at] != '.') return malformed();
  const auto begin = ++at;
  // The last character goes on until another one begins; the separator is one.
  for (; at < bytes.size(); ++at) {
    if (!begins_character(bytes[at])) continue;
    if (left == 0) return Element{bytes.substr(begin, at - begin), at};
    --left;
  }
  return std::nullopt;
}

/// The bytes of the first instruction, its elements told to `each`.
template <class Each>
Result<std::size_t> walk(std::string_view bytes, std::size_t longest, Each each) {
  const auto seen = bytes.substr(0, longest);
  std::size_t at = 0;
  for (std::size_t count = 1; count <= kMostElements; ++count) {
    const auto element = element_at(seen, at);
    if (!element) return fail(element.error());
    if (!*element) {
      if (bytes.size() < longest) return std::size_t{0};
      return fail(Code::kInvalid, "guacamole-too-long", "An instruction of the Guacamole protocol is too long.");
    }
    if (!is_utf8((*element)->text)) return malformed();
    each((*element)->text);
    at = (*element)->end + 1;
    if (seen[at - 1] == ';') return at;
    if (seen[at - 1] != ',') return malformed();
  }
  return malformed();
}

}  // namespace

Result<std::size_t> measure(std::string_view bytes, std::size_t longest) {
  return walk(bytes, longest, [](std::string_view) {});
}

Result<Instruction> parse(std::string_view whole, std::size_t longest) {
  Instruction instruction;
  const auto size = walk(whole, longest, [&](std::string_view text) { instruction.emplace_back(text); });
  if (!size) return fail(size.error());
  if (*size == 0 || *size != whole.size()) return malformed();
  return instruction;
}

std::string write(const Instruction& instruction) {
  std::string out;
  for (const auto& text : instruction) {
    if (!out.empty()) out += ',';
    out += std::to_string(std::ranges::count_if(text, begins_character));
    out += '.';
    out += text;
  }
  return out += ';';
}

}  // namespace tiltyard::guacamole
