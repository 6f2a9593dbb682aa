#pragma once

#include <memory>
#include <string>

#include "flags/flags.h"
#include "labs/step.h"
#include "privileged/files.h"

namespace tiltyard::flags {

/// "flags": gives the instance its flag and its own copies of the files that hold it. They are written into the layers
/// of its machines before those start, as ordinary files; what lies in a mount is mounted itself, from below
/// `folder`/{instance}/flags. Must be done before the machines are created. An instance that waits in a pool gets a
/// flag that is nobody's; its claim writes the owner's into the same files. The step "files" takes the folder away.
/// `apart`: who keeps the mounted files instead, below a folder of theirs; null: we do.
std::unique_ptr<labs::Step> flags_step(Service& flags, std::string folder,
                                       std::shared_ptr<const privileged::Files> apart = nullptr);
/// "flags-kept": a program that has moved its flag when it started cannot wait for an owner that way.
std::unique_ptr<labs::Step> flags_kept_step(Service& flags, std::string folder);

}  // namespace tiltyard::flags
