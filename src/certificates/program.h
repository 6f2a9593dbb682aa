#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "base/offload.h"
#include "base/result.h"

namespace tiltyard::certificates {

/// Runs a program to its end, killed at the deadline; what it printed. With `input`, it has that as /dev/fd/3, which is
/// nowhere on a disk. `program-failed` with the end of what it printed, `program-unstartable`.
asio::awaitable<Result<std::string>> run_program(WorkerPool& pool, std::vector<std::string> command, std::string input,
                                                 std::chrono::milliseconds deadline);

}  // namespace tiltyard::certificates
