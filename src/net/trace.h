#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace tiltyard::http {

/// The trace id of a valid W3C `traceparent` (https://www.w3.org/TR/trace-context/), or a new one: 32 hexadecimal
/// digits.
std::string trace_id_of(const Headers& headers);

/// Counts an answer that no route gave (malformed, too large, timed out), so that the totals stay true.
void count_refused(std::string_view method, int status);

}  // namespace tiltyard::http
