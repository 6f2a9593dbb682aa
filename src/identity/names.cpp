#include "identity/names.h"

#include <fmt/core.h>

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace tiltyard::identity {
namespace {

/// Decodes UTF-8 strictly (no overlong forms, no surrogates); nullopt where it is not UTF-8.
std::optional<std::u32string> decode(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80 ? 0 : lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || i + more >= text.size()) return std::nullopt;
    char32_t point = more == 0 ? lead : lead & (0x3F >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return std::nullopt;
      point = (point << 6) | (next & 0x3F);
    }
    constexpr std::array<char32_t, 4> kLeast = {0, 0x80, 0x800, 0x10000};
    if (point < kLeast[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return std::nullopt;
    out += point;
    i += more + 1;
  }
  return out;
}

void append(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

/// Characters that do not show: with them, two names could look the same or write over their surroundings.
bool invisible(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x061C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE007F);
}

bool blank(char32_t c) { return c == ' ' || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x3000; }

/// glibc's own C.UTF-8 knows the case of every script and does not depend on the machine's locales.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

char32_t fold(char32_t c) {
  if (c < 0x80 || unicode_locale() == nullptr) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  // Up and down again, so that both lower-case forms of a letter (σ, ς) become one.
  return static_cast<char32_t>(towlower_l(towupper_l(static_cast<wint_t>(c), unicode_locale()), unicode_locale()));
}

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

std::string fold_case(std::string_view name) {
  const auto points = decode(name);
  if (!points) return std::string(name);
  std::string out;
  for (const char32_t point : *points) append(out, fold(point));
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
  if (fold_case(password) == fold_case(name)) return bad("The password must not be the name.");
  return {};
}

}  // namespace tiltyard::identity
