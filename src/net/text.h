#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace boost::asio::ip {
class address;
}

/// Small text matters of HTTP that the parts of this module share.
namespace tiltyard::http {

/// Whether a comma-separated list names `token` (RFC 9110, 5.6.1), without regard to case.
bool has_token(std::string_view list, std::string_view token);
/// Decodes the path of a request target and resolves its dot segments, so that nothing in it points above the root;
/// empty segments vanish, a slash at the end stays. `invalid-path` for control characters and paths above the root.
Result<std::string> clean_path(std::string_view encoded);
/// As Asio writes it, without the detour over sprintf(3) for IPv4: it is wanted with every request.
std::string address_text(const boost::asio::ip::address& address);
/// The standard phrase of a status, or "Unknown".
std::string_view phrase(int status);

}  // namespace tiltyard::http
