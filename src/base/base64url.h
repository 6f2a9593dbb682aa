#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tiltyard {

/// RFC 4648, 5, without padding, as the JOSE family writes it (RFC 7515, 2).
std::string base64url(std::string_view bytes);
/// nullopt: empty, padded, or something else than the alphabet in it.
std::optional<std::string> from_base64url(std::string_view text);

/// SHA-256, 32 bytes.
std::string sha256(std::string_view bytes);

}  // namespace tiltyard
