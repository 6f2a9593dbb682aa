#pragma once

#include <boost/json/object.hpp>

#include "templates/model.h"

namespace tiltyard::templates {

/// What was read of a folder, for its author: the services as they will be started, as `docker compose config` shows
/// them, but with what this server makes of them.
boost::json::object reading_json(const Template& tmpl);

}  // namespace tiltyard::templates
