#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace tiltyard::identity {

/// What we hand out to have it back unread and unchanged: authenticated encryption (libsodium secretbox) under a key
/// that is made from the admin token, so that servers that share the token share it, and nobody stores it. `purpose`
/// keeps uses apart. base64url.
std::string seal(std::string_view text, const Secret& master, std::string_view purpose);
/// nullopt: not of ours, for another purpose, or longer than 4 KiB.
std::optional<std::string> unseal(std::string_view sealed, const Secret& master, std::string_view purpose);

}  // namespace tiltyard::identity
