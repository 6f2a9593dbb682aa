#pragma once

#include <optional>
#include <string_view>

namespace tiltyard::app {

/// A file that is part of the binary: the page ("index.html", "app.js", …) and "openapi.json". Generated at build time
/// from web/dist and api/ by cmake/embed.cmake.
std::optional<std::string_view> asset(std::string_view name);

}  // namespace tiltyard::app
