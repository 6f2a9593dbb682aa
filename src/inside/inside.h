#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/engine.h"

/// The program that is put into a machine when somebody wants its files: it needs nothing of the machine, and has no
/// rights there but those of who runs it. What it answers is the machine's word, which its owner can change: believe
/// none of it.
namespace tiltyard::inside {

namespace asio = boost::asio;

/// Longest that putting it there may take, each try for itself.
inline constexpr std::chrono::seconds kPatience{30};

/// The program is in the machine, which runs; the answer is its path there. `PATH sftp` serves sftp (version 3) on
/// standard input and output, `PATH tar FOLDER` writes an archive, `PATH remove TREE` takes a tree away. Cheap when it
/// is there already (one command). `inside-unplaced` (Conflict): the machine has no place for it, or cannot run it.
/// `engine` outlives the call.
asio::awaitable<Result<std::string>> ensure(engine::Engine& engine, engine::Handle handle);

/// Its bytes: a static program for this host's kind of processor.
std::string_view program();
/// Where it is put as long as that can be written; another version has another name.
std::string path();

}  // namespace tiltyard::inside
