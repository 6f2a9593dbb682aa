#pragma once

#include <functional>
#include <string>
#include <vector>

#include "disk/usage.h"
#include "privileged/caller.h"
#include "privileged/server.h"

/// What machines write, counted by the privileged half for a server that may not look there itself.
namespace tiltyard::disk {

/// The half's side. `folders_of` says where a machine of ours writes, and refuses others'; blocking, on several threads
/// at once. It is asked once for each machine.
privileged::Verb usage_verb(std::function<Result<std::vector<std::string>>(const std::string& machine)> folders_of);

/// The server's side; blocking. What cannot be counted is nothing.
Usage usage_through(const privileged::Caller& caller, const std::string& machine, const Most& most);

}  // namespace tiltyard::disk
