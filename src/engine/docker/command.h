#pragma once

#include <memory>

#include "engine/engine.h"

namespace tiltyard::engine::docker {

class Connection;

/// Starts a command in a machine. `signals_from_host`: see DockerOptions.
asio::awaitable<Result<std::unique_ptr<ExecSession>>> run_command(std::shared_ptr<Connection> connection, Handle handle,
                                                                  ExecSpec spec, bool signals_from_host);

}  // namespace tiltyard::engine::docker
