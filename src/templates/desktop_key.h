#pragma once

#include "templates/toml_table.h"

namespace tiltyard::templates {

/// [desktop] of instance.toml: the screen of a machine that its owner sees in the page.
void read_desktop(Table& top, Settings& settings);

/// What the rest of the template makes of it: which machine's, and whose password.
Desktop settle_desktop(const DesktopSettings& said, const Template& tmpl, Problems& problems);

}  // namespace tiltyard::templates
