#pragma once

#include <string>

#include "net/http.h"

namespace tiltyard::http {

enum class Framing { kLength, kChunked, kUntilClose, kNone };

/// The head of an answer on the wire, security fields included. `path` decides on caching.
std::string write_head(const Response& response, std::string_view path, Framing framing, bool keep_alive, bool secure);
/// The fields that every answer carries and this one does not set itself.
Headers security_fields(const Response& response, std::string_view path, bool secure);

}  // namespace tiltyard::http
