#pragma once

#include <string_view>

#include "templates/toml_table.h"

namespace tiltyard::templates {

/// [open_ports] of instance.toml: what an owner may open of the machines while they run.
void read_open_ports(Table& top, Settings& settings);

/// "8000" or "8000-8099"; nullopt for anything else.
std::optional<PortRange> parse_range(std::string_view text);

}  // namespace tiltyard::templates
