#pragma once

#include <memory>

#include "base/offload.h"
#include "labs/step.h"
#include "privileged/files.h"

namespace tiltyard::labs {

/// "files" of a server whose privileged half keeps the instances' own files: each is read here and handed over open.
/// `folder` holds what the server itself notes of instances, which goes with them.
std::unique_ptr<Step> apart_files_step(WorkerPool& pool, std::shared_ptr<const privileged::Files> files,
                                       std::string folder);

}  // namespace tiltyard::labs
