#pragma once

#include "net/http.h"

namespace tiltyard::app {

/// The player page's files, and index.html for every path without a dot (the page does its own routing).
http::Response page(const http::Request& request);

}  // namespace tiltyard::app
