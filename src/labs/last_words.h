#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <string>

#include "engine/engine.h"
#include "labs/model.h"

namespace tiltyard::labs {

namespace asio = boost::asio;

/// What a machine has said last, as plain text: at most twenty lines, and 4000 bytes of them. Empty: nothing, or its
/// engine does not tell within some seconds.
asio::awaitable<std::string> last_words(engine::Engine& engine, engine::Handle handle);

/// By service, of all machines that have said something.
using LastWords = std::map<std::string, std::string>;
asio::awaitable<LastWords> last_words(engine::Engine& engine, Plan plan);

/// The text of a reason, and behind it on lines of their own what the machine has said that it names.
std::string with_last_words(std::string text, const LastWords& said);

}  // namespace tiltyard::labs
