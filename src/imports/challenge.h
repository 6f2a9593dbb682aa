#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "imports/imports.h"

namespace tiltyard::imports {

/// How a value may fall with the solves.
std::span<const std::string_view> functions();

/// A challenge as a file that `read_challenge` reads, and that a person may go on with; `origin` is named in its first
/// line.
std::string write_challenge(const Challenge& challenge, std::string_view origin);

/// A text as TOML 1.0 has it: in several lines where it has some.
std::string toml_text(std::string_view text);

}  // namespace tiltyard::imports
