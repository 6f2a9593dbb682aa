#pragma once

#include <string>

#include "engine/spec.h"
#include "labs/step.h"

namespace tiltyard::labs {

/// On networks that belong to no single instance.
inline constexpr char kLabelShared[] = "tiltyard.shared";

/// Where the instance's own files live: `folder`/{instance id}.
std::string files_of(const std::string& folder, const InstanceId& instance);

/// Whether a bind is served from the instance's own files: what a machine may write, what needs another owner or other
/// permission bits, what the template does not have, and text that stands in the compose file itself.
bool needs_own_copy(const templates::BindSource& bind);

/// Whether it is laid over the template's folder rather than copied.
bool is_laid_over(const templates::BindSource& bind);

/// Where such a copy lies below the instance's files, apart from what others keep there: one for each owner and
/// mode that the same file is wanted with.
std::string copy_name(const templates::BindSource& bind);

/// The service as the engine gets it: what the template says, with the names, addresses, mounts and labels of this
/// instance, and with what other steps add. `${INSTANCE_ID}`, `${DOCKER_NETWORK}`, `${PORT_<n>}` and the words that
/// steps offer in environment values become this instance's. `spawn.origin()` is there.
engine::MachineSpec machine_spec(Spawn& spawn, const templates::Service& service, const PlannedMachine& planned,
                                 const std::string& files_folder);

/// The labels that everything of the instance carries, so that it is found by them (row 1.12).
engine::Labels labels_of(const Instance& instance);

}  // namespace tiltyard::labs
