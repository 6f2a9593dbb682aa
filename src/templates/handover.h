#pragma once

#include <optional>

#include "templates/model.h"
#include "templates/problems.h"
#include "templates/settings.h"

namespace tiltyard::templates {

/// Its kind as the other keys say it, where none is said; and what these keys say, where they fit the kind.
std::optional<EndpointKind> settle_handover(const EndpointSettings& said, Problems& problems, Endpoint& made);

}  // namespace tiltyard::templates
