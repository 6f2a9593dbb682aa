#pragma once

#include "net/http.h"

namespace tiltyard::http {

/// The same document as `problem`, for the statuses that belong to HTTP itself and to none of our codes (405, 408, 431
/// …).
Response problem_with_status(int status, const Error& error);

}  // namespace tiltyard::http
