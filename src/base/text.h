#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// Small matters of text. Letters are those of ASCII, as in host names, header fields and keys; what people are called
/// is Unicode's matter (identity/names.h), and secrets are compared in constant time (base/secret.h).
namespace tiltyard {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
std::string lower(std::string_view text);

/// Equal without regard to case.
constexpr bool same_text(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (lower(left[i]) != lower(right[i])) return false;
  }
  return true;
}

/// Without blanks and tabs at both ends.
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Two lower-case digits for each byte.
std::string hex(std::string_view bytes);
std::string hex(std::span<const unsigned char> bytes);

/// The candidate that `word` was probably meant to be: at most two wrong, missing, added or swapped letters away
/// (Damerau and Levenshtein), or a third of its length; case does not count. Empty: none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace tiltyard
