#pragma once

#include <optional>
#include <string>

namespace tiltyard::http {

/// When an answer asks to be asked again, in seconds from now: Retry-After as seconds or as a date in any of HTTP's
/// three forms (RFC 9110, 10.2.3 and 5.6.7); nullopt where that is neither.
std::optional<double> seconds_until(const std::string& header);

}  // namespace tiltyard::http
