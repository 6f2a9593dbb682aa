#include "flags/text.h"

#include <fmt/format.h>
#include <sodium.h>
#include <string.h>

#include <algorithm>

namespace tiltyard::flags {
namespace {

/// memmem is the two-way search of the C library: several times as fast as string_view's on binaries.
std::size_t find_in(std::string_view content, std::string_view wanted, std::size_t from) {
  if (from >= content.size()) return std::string_view::npos;
  const void* found = ::memmem(content.data() + from, content.size() - from, wanted.data(), wanted.size());
  if (!found) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - content.data());
}

bool may_stand_inside(unsigned char c) { return c >= 0x20 && c != 0x7f && c != '{' && c != '}'; }

std::size_t nuls_from(std::string_view content, std::size_t at, std::size_t most) {
  std::size_t count = 0;
  while (count < most && at + count < content.size() && content[at + count] == '\0') ++count;
  return count;
}

/// Longer than any flag.
constexpr std::size_t kMostRoom = 512;

std::size_t room_at(std::string_view content, std::size_t at, std::size_t length) {
  const auto nuls = nuls_from(content, at + length, kMostRoom);
  return length + (nuls > 0 ? nuls - 1 : 0);
}

}  // namespace

std::size_t Shape::length() const {
  return prefix.size() + 2 + (base ? base->size() + 1 + kDigitsAfterBase : kDigitsAlone);
}

Secret draw_flag(const Shape& shape) {
  std::string flag = shape.prefix + "{";
  if (shape.base) flag += *shape.base + "_";
  const auto digits = shape.base ? kDigitsAfterBase : kDigitsAlone;
  for (std::size_t i = 0; i < digits; ++i) {
    flag += shape.alphabet[randombytes_uniform(static_cast<std::uint32_t>(shape.alphabet.size()))];
  }
  return Secret(flag + "}");
}

std::optional<Shape> fit(Shape shape, std::size_t most) {
  if (shape.length() <= most) return shape;
  const std::size_t least = shape.prefix.size() + 2 + 1 + kDigitsAfterBase;
  if (most < least) return std::nullopt;
  shape.base = shape.base.value_or("").substr(0, most - least);
  // No character of several bytes is cut in the middle.
  while (!shape.base->empty() && (static_cast<unsigned char>(shape.base->back()) & 0x80) != 0) shape.base->pop_back();
  return shape;
}

std::vector<std::string> find_placeholders(std::string_view content, std::string_view prefix, std::size_t most) {
  std::vector<std::string> out;
  const std::string opening = std::string(prefix) + "{";
  for (auto at = find_in(content, opening, 0); at != std::string_view::npos && out.size() < most;
       at = find_in(content, opening, at + 1)) {
    const std::size_t begin = at + opening.size();
    std::size_t end = begin;
    while (end < content.size() && end - begin <= kLongestBase &&
           may_stand_inside(static_cast<unsigned char>(content[end])))
      ++end;
    if (end == begin || end - begin > kLongestBase || end == content.size() || content[end] != '}') continue;
    std::string text(content.substr(at, end + 1 - at));
    if (std::ranges::find(out, text) == out.end()) out.push_back(std::move(text));
  }
  return out;
}

std::string_view base_of(std::string_view placeholder, std::string_view prefix) {
  return placeholder.substr(prefix.size() + 1, placeholder.size() - prefix.size() - 2);
}

bool is_binary(std::string_view content) { return content.contains('\0'); }

std::optional<std::size_t> room_for(std::string_view content, std::string_view placeholder) {
  std::optional<std::size_t> least;
  for (auto at = find_in(content, placeholder, 0); at != std::string_view::npos;
       at = find_in(content, placeholder, at + placeholder.size())) {
    const auto room = room_at(content, at, placeholder.size());
    least = least ? std::min(*least, room) : room;
  }
  return least;
}

std::string replace_text(std::string_view content, std::string_view placeholder, std::string_view flag) {
  std::string out;
  std::size_t from = 0;
  for (auto at = find_in(content, placeholder, 0); at != std::string_view::npos;
       at = find_in(content, placeholder, from)) {
    out.append(content, from, at - from);
    out += flag;
    from = at + placeholder.size();
  }
  return out.append(content, from);
}

Result<> replace_binary(std::string& content, std::string_view placeholder, std::string_view flag) {
  for (auto at = find_in(content, placeholder, 0); at != std::string_view::npos;) {
    const auto room = room_at(content, at, placeholder.size());
    if (flag.size() > room) {
      return fail(
          Code::kConflict, "flag-does-not-fit",
          fmt::format("The owner's flag has {} characters, and a binary file has room for {}.", flag.size(), room));
    }
    const auto used = std::max(placeholder.size(), flag.size());
    content.replace(at, flag.size(), flag);
    std::fill(content.begin() + static_cast<std::ptrdiff_t>(at + flag.size()),
              content.begin() + static_cast<std::ptrdiff_t>(at + used), '\0');
    at = find_in(content, placeholder, at + used);
  }
  return {};
}

}  // namespace tiltyard::flags
