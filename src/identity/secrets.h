#pragma once

#include <string>
#include <string_view>

#include "base/secret.h"

namespace tiltyard::identity {

/// A new API token: "ty_" and 40 characters of base 62 (238 random bits).
Secret new_token();
/// Whether `text` has the form of an API token; saves asking the database for what cannot be one.
bool looks_like_token(std::string_view text);

/// A new cookie value or one-time link: 43 characters of base64url (256 random bits).
Secret new_random_value();
bool looks_like_random_value(std::string_view text);

/// A new invitation's code, for people to type: 20 hexadecimal digits in groups (80 random bits).
Secret new_code();
/// What is kept of it; case, blanks and dashes do not count.
std::string code_hash(std::string_view typed);

/// BLAKE2b-256 in hexadecimal: what the database keeps instead of a random secret. Values of that length need no salt.
std::string fingerprint(std::string_view secret);

}  // namespace tiltyard::identity
