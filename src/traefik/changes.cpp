#include "traefik/changes.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace tiltyard::traefik {
namespace {

/// What is written in one go.
struct Unit {
  Commands sets, deletes;
  bool stays = false;  ///< some of its keys are wanted
};

bool is_router(const std::string& unit) { return unit.contains("/routers/"); }

}  // namespace

std::vector<Commands> changes(const Options& options, const Keys& has, const Keys& wanted, std::size_t most) {
  std::map<std::string, Unit> units;
  const auto unit_for = [&](const std::string& key) -> Unit& {
    auto name = unit_of(options, key);
    return units[name.empty() ? key : name];
  };
  for (const auto& [key, value] : wanted) {
    auto& unit = unit_for(key);
    unit.stays = true;
    const auto found = has.find(key);
    if (found == has.end() || found->second != value) unit.sets.push_back({"SET", key, value});
  }
  for (const auto& [key, value] : has) {
    if (!wanted.contains(key)) unit_for(key).deletes.push_back({"DEL", key});
  }
  // Others first, then the routers that name them; in reverse where they go.
  std::array<std::vector<Commands>, 4> phases;
  for (auto& [name, unit] : units) {
    auto commands = std::move(unit.sets);
    std::ranges::move(unit.deletes, std::back_inserter(commands));
    if (commands.empty()) continue;
    const std::size_t phase = unit.stays ? (is_router(name) ? 1 : 0) : (is_router(name) ? 2 : 3);
    phases[phase].push_back(std::move(commands));
  }
  std::vector<Commands> out;
  for (auto& phase : phases) {
    for (auto& commands : phase) {
      if (out.empty() || out.back().size() + commands.size() > most) out.emplace_back();
      std::ranges::move(commands, std::back_inserter(out.back()));
    }
  }
  return out;
}

}  // namespace tiltyard::traefik
