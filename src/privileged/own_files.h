#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "privileged/files.h"
#include "privileged/server.h"

namespace tiltyard::privileged {

/// Moves an instance's folder out of sight; may be called on several threads.
using Take = std::function<Result<>(const std::string& instance)>;

/// Instances' own files that this process keeps itself, below `folder`, by the same rules: names are walked one by one
/// from the open folder and never through a link, since a machine may have written there.
std::shared_ptr<const Files> local_files(std::string folder, Take take);

/// The other side of Files: verbs that know one folder and nothing outside of it. An instance is named by its id, what
/// is below by names that are walked one by one from the open folder and never through a link, since a machine may have
/// written there. Content comes as an open file, so that nothing is read here that the caller could not read itself.
/// The folder is made if it is not there; `files-unfit` if it is not root's alone.
Result<std::vector<Verb>> file_verbs(const std::string& folder, Take take);

}  // namespace tiltyard::privileged
