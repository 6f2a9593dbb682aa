#pragma once

#include <string>
#include <string_view>

namespace tiltyard::log::detail {

/// Whether a field of this name holds a secret: one of its words (split at `_`, `-`, `.` and capitals) is token,
/// cookie, authorization, password, flag, secret, link or their like. A count, a size or an id of such a thing is not
/// one.
bool names_secret(std::string_view key);

/// The text without what looks like a secret, wherever it stands: one of our tokens (`ty_…`) or CTFd's, a signed token
/// (JWT), a bearer or basic credential, a cookie header, the token of a sign-in link, a flag of any prefix
/// (`PREFIX{…}`), a password in a URL, a member or parameter named password, token or secret, the address of a webhook.
std::string redact(std::string_view text);

enum class Quotes { kKeep, kEscape };

/// The text as valid UTF-8 without control characters, line separators or direction marks: each becomes `\n`, `\r`,
/// `\t` or `\uXXXX`, a byte that is not UTF-8 becomes `\ufffd`. With kEscape, `"` and `\` are escaped too, as JSON
/// wants.
std::string escape(std::string_view text, Quotes quotes);

}  // namespace tiltyard::log::detail
