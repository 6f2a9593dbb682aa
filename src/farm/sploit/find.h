#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "farm/format.h"

namespace tiltyard::farm::sploit {

/// `text` as UTF-8: bytes that are none become U+FFFD, one each, as Python's errors="replace" does in most cases.
std::string readable(std::string_view text);

/// All flags in a readable text, each once, in their order.
std::vector<std::string> find_flags(const farm::FlagFormat& format, std::string_view text);

}  // namespace tiltyard::farm::sploit
