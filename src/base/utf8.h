#pragma once

#include <string>
#include <string_view>

namespace tiltyard {

/// Whether the bytes are UTF-8 without surrogates and overlong forms (RFC 3629).
bool is_utf8(std::string_view bytes);
/// `bytes` as UTF-8 whatever they are: each longest beginning of a character that is not one becomes U+FFFD (Unicode
/// 3.9, "substitution of maximal subparts").
std::string as_utf8(std::string_view bytes);

}  // namespace tiltyard
