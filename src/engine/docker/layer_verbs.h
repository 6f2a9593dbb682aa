#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <string>
#include <vector>

#include "engine/docker/layer_files.h"
#include "privileged/caller.h"
#include "privileged/server.h"

/// Machines' own layers through the privileged half, for a server that may not write there itself.
namespace tiltyard::engine::docker {

/// The half's side: of a machine that `ours` says yes to (asked with what the engine says of it) the files are unpacked
/// or rewritten. `socket` is the engine's; it is asked on `executor`.
std::vector<privileged::Verb> layer_verbs(std::string socket, std::function<bool(const boost::json::value&)> ours,
                                          boost::asio::any_io_executor executor);

/// What the engine says of a machine that `ours` says yes to. Blocking.
Result<boost::json::value> look_up(const std::string& socket,
                                   const std::function<bool(const boost::json::value&)>& ours,
                                   const boost::asio::any_io_executor& executor, const std::string& machine);

// The server's side. Blocking. False: not done, the layer is not at hand there, or (unpack) the machine has run.
Result<bool> unpack_through(const privileged::Caller& caller, const std::string& machine, const std::string& tar);
Result<bool> rewrite_through(const privileged::Caller& caller, const std::string& machine,
                             const std::vector<Rewrite>& texts);

}  // namespace tiltyard::engine::docker
