#include "identity/names.h"

#include <fmt/core.h>

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

namespace tiltyard::identity {
namespace {

/// Decodes UTF-8 strictly (no overlong forms, no surrogates); nullopt where it is not UTF-8.
std::optional<std::u32string> decode(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    utf8proc_int32_t point = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &point);
    if (size <= 0) return std::nullopt;
    out += static_cast<char32_t>(point);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return out;
}

/// They choose between forms of the character before them, so that emoji and names in Han characters have them;
/// `fold_name` drops them.
bool variation_selector(char32_t c) { return (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF); }

/// Characters that do not show: with them, two names could look the same or write over their surroundings.
bool invisible(char32_t c) {
  const auto* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  switch (property->category) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return (property->ignorable && !variation_selector(c)) || (c >= 0xFFF9 && c <= 0xFFFB);
  }
}

bool blank(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ZS; }

}  // namespace

Result<> check_name(std::string_view what, std::string_view name, std::size_t longest) {
  const auto points = decode(name);
  const auto bad = [&](std::string_view why) {
    return fail(Code::kInvalid, "invalid-body", fmt::format("The {} {}.", what, why));
  };
  if (!points) return bad("is not valid UTF-8");
  if (points->empty()) return bad("must not be empty");
  if (points->size() > longest)
    return bad(fmt::format("has {} characters; at most {} are possible", points->size(), longest));
  if (std::ranges::any_of(*points, invisible)) return bad("has control or invisible characters in it");
  if (blank(points->front()) || blank(points->back())) return bad("must not begin or end with a blank");
  return {};
}

Result<> check_email(std::string_view address) {
  const auto points = decode(address);
  const auto at = address.find('@');
  const bool good = points && address.size() <= 254 && at != std::string_view::npos && at > 0 &&
                    at + 1 < address.size() && address.find('@', at + 1) == std::string_view::npos &&
                    std::ranges::none_of(*points, [](char32_t c) {
                      return invisible(c) || blank(c) || c == '<' || c == '>' || c == ',' || c == ';' || c == '"';
                    });
  if (good) return {};
  return fail(Code::kInvalid, "invalid-body", "\"email\" is not an e-mail address.");
}

std::string fold_name(std::string_view name) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(name.data()), static_cast<utf8proc_ssize_t>(name.size()), &mapped,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0) return std::string(name);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

std::string fold_address(std::string_view address) {
  const auto points = decode(address);
  if (!points) return std::string(address);
  std::string out;
  for (const char32_t point : *points) {
    std::array<utf8proc_uint8_t, 4> bytes;
    // Up and down again, so that both lower-case forms of a letter (σ, ς) become one.
    const auto lower = utf8proc_tolower(utf8proc_toupper(static_cast<utf8proc_int32_t>(point)));
    out.append(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::size_t>(utf8proc_encode_char(lower, bytes.data())));
  }
  return out;
}

Result<> check_password(std::string_view password, std::string_view name, int least) {
  const auto bad = [](std::string why) { return fail(Code::kInvalid, "invalid-body", std::move(why)); };
  if (password.size() > kLongestPassword)
    return bad(fmt::format("The password is longer than {} bytes.", kLongestPassword));
  const auto points = decode(password);
  const auto length = points ? points->size() : password.size();
  if (length < static_cast<std::size_t>(std::max(least, 1))) {
    return bad(fmt::format("The password has {} characters; at least {} are needed.", length, least));
  }
  if (fold_name(password) == fold_name(name)) return bad("The password must not be the name.");
  return {};
}

}  // namespace tiltyard::identity
