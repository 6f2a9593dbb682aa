#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

/// The texts of flags: finding `PREFIX{...}`, making new ones, and putting one in the place of another. Pure functions.
namespace tiltyard::flags {

/// Random characters after the base, and without one.
inline constexpr std::size_t kDigitsAfterBase = 16;
inline constexpr std::size_t kDigitsAlone = 32;
/// Between the braces, at most; what is longer is no placeholder.
inline constexpr std::size_t kLongestBase = 100;

/// What a template's flags look like: `prefix{base_<16>}`; `prefix{<32>}` without a base; `prefix{_<16>}` where no more
/// fits.
struct Shape {
  std::string prefix = "FLAG";
  std::optional<std::string> base;
  std::string alphabet = "0123456789abcdef";

  std::size_t length() const;
};

/// A new flag; each character is drawn uniformly from the alphabet by libsodium.
Secret draw_flag(const Shape& shape);

/// The shape with its base cut so that flags have at most `most` characters; nullopt: not even `prefix{_<16>}` has.
std::optional<Shape> fit(Shape shape, std::size_t most);

/// The different texts `prefix{...}` in `content`, in the order of their first appearance, at most `most`: printable
/// characters without braces between the braces.
std::vector<std::string> find_placeholders(std::string_view content, std::string_view prefix, std::size_t most = 8);

/// What stands between the braces of a placeholder.
std::string_view base_of(std::string_view placeholder, std::string_view prefix);

/// A NUL anywhere makes it binary: its length must stay.
bool is_binary(std::string_view content);

/// How long a text may be that takes the place of `placeholder` in this binary content: the placeholder's length and
/// the NULs behind it but one, the least of all places; nullopt: it does not stand there.
std::optional<std::size_t> room_for(std::string_view content, std::string_view placeholder);

/// The text with `flag` in every place of `placeholder`.
std::string replace_text(std::string_view content, std::string_view placeholder, std::string_view flag);

/// The same in place, with NULs to the placeholder's end and the length unchanged. `flag-does-not-fit`.
Result<> replace_binary(std::string& content, std::string_view placeholder, std::string_view flag);

}  // namespace tiltyard::flags
