#pragma once

#include <string>
#include <string_view>

namespace tiltyard::labs {

/// What a machine says, as text that may stand in a message, a page or a terminal: UTF-8, without the commands of
/// terminals (ECMA-48: colours, cursors, titles), and with "?" or U+FFFD for other control characters and bytes that
/// are no text. Lines and tabs stay, a line that was written over by a carriage return ends there.
std::string plain(std::string_view said);

/// The same on one line, at most `most` bytes of it.
std::string plain_line(std::string_view said, std::size_t most);

}  // namespace tiltyard::labs
