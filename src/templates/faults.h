#pragma once

#include <optional>
#include <string_view>

#include "templates/text.h"

namespace tiltyard::templates {

// What the parsers of YAML and TOML stumble over is often not where the mistake is, and they say it in words of the
// grammar's. These say where it is and what to write. All take clean text.

/// yaml-cpp takes a file that ends within quotes without a word. `last_quote`: where its last text begins, if it stands
/// between quotes.
std::optional<TextFault> open_quote(std::string_view yaml, std::optional<std::size_t> last_quote);
/// `found`: the line and message of yaml-cpp.
TextFault explain_yaml(std::string_view yaml, TextFault found);
/// `found`: the line and description of toml++.
TextFault explain_toml(std::string_view toml, TextFault found);

}  // namespace tiltyard::templates
