#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tiltyard::identity {

inline constexpr std::size_t kLongestName = 64;        ///< characters (code points) of a user's or team's name
inline constexpr std::size_t kLongestTokenName = 100;  ///< characters of a token's name
inline constexpr std::size_t kLongestPassword = 1024;  ///< bytes

/// Whether `name` can name a user or a team: 1 to `longest` characters of UTF-8, no control or invisible formatting
/// characters, no blank at either end. `invalid-body` says what is wrong; `what` names the field.
Result<> check_name(std::string_view what, std::string_view name, std::size_t longest = kLongestName);

/// Whether it can be an e-mail address: one "@" with something on both sides, no blanks or control characters, at most
/// 254 bytes (RFC 5321, 4.5.3.1). `invalid-body` otherwise.
Result<> check_email(std::string_view address);

/// The name in the form that decides whether two are the same: composed (NFC), case-folded, without characters that do
/// not show, as of Unicode (UAX #15, UAX #31); "é" is the same as one code point and as two. Invalid UTF-8 comes back
/// unchanged.
std::string fold_name(std::string_view name);

/// The same for e-mail addresses: only the case of each character is folded, as "straße" and "strasse" are two boxes.
std::string fold_address(std::string_view address);

/// Whether `password` will do for the user `name`: at least `least` characters, at most 1024 bytes, not the name
/// itself.
Result<> check_password(std::string_view password, std::string_view name, int least);

}  // namespace tiltyard::identity
