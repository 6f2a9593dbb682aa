#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/offload.h"
#include "engine/engines.h"
#include "gateway/gateway.h"
#include "gateway/port_lanes.h"
#include "labs/labs.h"
#include "labs/step.h"
#include "privileged/files.h"

namespace tiltyard::labs {

/// "network": our firewall table is in force, and the networks of the plan exist. A shared network stays when its last
/// instance goes.
std::unique_ptr<Step> network_step(engine::Engines& engines);
/// "files": the instance's own copies of files and folders that its machines may write, below `folder`/{instance}.
/// `apart`: who keeps them instead, below a folder of theirs; `folder` then has what the server itself notes of
/// instances, which goes with them. Null: we do.
std::unique_ptr<Step> files_step(WorkerPool& pool, std::string folder,
                                 std::shared_ptr<const privileged::Files> apart = nullptr);
/// "volumes": the named volumes.
std::unique_ptr<Step> volumes_step(engine::Engines& engines);
/// "machines": all are created at once, each is started as soon as what it depends on is as far as it asks.
/// `stop_grace` is how long a machine that has run may take to end by itself, where its template does not say;
/// `images` (null: nobody) says what is made of other images.
std::unique_ptr<Step> machines_step(engine::Engines& engines, std::string files_folder,
                                    std::chrono::milliseconds stop_grace = std::chrono::milliseconds{2000},
                                    HasImages* images = nullptr);
/// "ready": the endpoints really answer (row 1.9).
std::unique_ptr<Step> ready_step(engine::Engines& engines);
/// "solve": the author's solver proves an instance that is made for a pool (row 1.17); others are not kept waiting by
/// it unless `every_start` says so. `solver-failed`, with the end of its output, if it does not end with 0 in time.
std::unique_ptr<Step> solve_step(engine::Engines& engines, bool every_start = false);
/// "routes": the gateway serves the endpoints. A port that somebody else has taken meanwhile is replaced, three times.
std::unique_ptr<Step> routes_step(gateway::Gateway& gateway, gateway::PortLanes& lanes);

}  // namespace tiltyard::labs
