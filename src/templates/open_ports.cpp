#include "templates/open_ports.h"

#include "templates/text.h"

namespace tiltyard::templates {

std::optional<PortRange> parse_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_integer(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_integer(text.substr(dash + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *first > *last) return std::nullopt;
  return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

void read_open_ports(Table& top, Settings& settings) {
  auto table = top.table("open_ports");
  if (!table) return;
  auto& policy = settings.open_ports;
  if (table->take("kinds") != nullptr) {
    policy.kinds.emplace();
    for (const auto& word : table->texts("kinds")) {
      if (const auto kind = endpoint_kind(word.value)) policy.kinds->push_back(*kind);
      else top.problems().error(word.place, fmt::format("open_ports.kinds: {}", kind.error().message));
    }
  }
  if (const auto most = table->integer("max", 0, 64)) policy.max = static_cast<int>(most->value);
  for (const auto& said : table->texts("ranges")) {
    if (const auto range = parse_range(said.value)) policy.ranges.push_back(*range);
    else
      top.problems().error(said.place, "open_ports.ranges has texts like \"8000\" or \"8000-8099\", from 1 to 65535");
  }
  settings.open_ports_machines = table->texts("machines");
  for (const auto& said : settings.open_ports_machines) policy.machines.push_back(said.value);
  table->finish();
}

}  // namespace tiltyard::templates
