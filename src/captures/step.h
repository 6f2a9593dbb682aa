#pragma once

#include <functional>
#include <memory>

#include "captures/captures.h"
#include "labs/step.h"

namespace tiltyard::captures {

/// "capture": begins what the template asks for as soon as there is a network, goes on after a restart, and ends all
/// captures of an instance before its networks go. Nothing of it keeps a player waiting or fails a spawn.
/// The service is asked for when a spawn is there: it is made later than the step.
std::unique_ptr<labs::Step> capture_step(std::function<Service&()> service);

}  // namespace tiltyard::captures
