#pragma once

#include <functional>
#include <string>
#include <vector>

#include "privileged/server.h"

namespace tiltyard::privileged {

/// The other side of Files: verbs that know one folder and nothing outside of it. An instance is named by its id, what
/// is below by names that are walked one by one from the open folder and never through a link, since a machine may have
/// written there. Content comes as an open file, so that nothing is read here that the caller could not read itself.
/// `take` moves an instance's folder out of sight, and may be called on several threads.
/// The folder is made if it is not there; `files-unfit` if it is not root's alone.
Result<std::vector<Verb>> file_verbs(const std::string& folder, std::function<Result<>(const std::string&)> take);

}  // namespace tiltyard::privileged
