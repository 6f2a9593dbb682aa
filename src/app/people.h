#pragma once

#include "app/records.h"
#include "config/settings.h"
#include "identity/identity.h"

namespace tiltyard::app {

/// What the settings say of people, as identity wants it; what happens goes into the records, which outlive identity.
identity::Options identity_options(const config::Settings& from, Records& records);

}  // namespace tiltyard::app
