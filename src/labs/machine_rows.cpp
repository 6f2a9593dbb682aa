#include "labs/machine_rows.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <charconv>
#include <unordered_map>

namespace tiltyard::labs {

namespace {

/// "1:data". Opaque to the database as well.
std::string text_of(const engine::Handle& handle) {
  return handle.empty() ? std::string() : fmt::format("{}:{}", handle.version, handle.data);
}

engine::Handle handle_of(const std::string& text) {
  const auto colon = text.find(':');
  engine::Handle handle;
  if (colon == std::string::npos) return handle;
  std::from_chars(text.data(), text.data() + colon, handle.version);
  handle.data = text.substr(colon + 1);
  return handle;
}

}  // namespace

void keep_machines(soci::session& sql, const Instance& instance) {
  const auto& id = instance.id.str();
  if (!instance.live()) {
    sql << "DELETE FROM machines WHERE instance = :instance", soci::use(id);
    return;
  }
  for (const auto& machine : instance.plan.machines) {
    const std::string state(to_string(machine.state)), health(to_string(machine.health));
    const auto& engine = *instance.plan.engine;
    const auto handle = text_of(machine.handle);
    soci::statement change =
        (sql.prepare << "UPDATE machines SET state = :state, health = :health, engine = :engine, handle = :handle "
                        "WHERE instance = :instance AND machine = :machine",
         soci::use(state), soci::use(health), soci::use(engine), soci::use(handle), soci::use(id),
         soci::use(machine.service));
    change.execute(true);
    if (change.get_affected_rows() > 0) continue;
    sql << "INSERT INTO machines (instance, machine, state, health, engine, handle) VALUES (:instance, :machine, "
           ":state, :health, :engine, :handle)",
        soci::use(id), soci::use(machine.service), soci::use(state), soci::use(health), soci::use(engine),
        soci::use(handle);
  }
}

void add_machines(soci::session& sql, std::vector<Instance>& instances) {
  std::unordered_map<std::string, Instance*> by_id;
  for (auto& instance : instances) by_id.emplace(instance.id.str(), &instance);
  std::string id, name, state, health, engine, handle;
  soci::statement query =
      (sql.prepare << "SELECT instance, machine, state, health, engine, handle FROM machines", soci::into(id),
       soci::into(name), soci::into(state), soci::into(health), soci::into(engine), soci::into(handle));
  for (bool more = query.execute(true); more; more = query.fetch()) {
    const auto found = by_id.find(id);
    if (found == by_id.end()) continue;
    for (auto& machine : found->second->plan.machines) {
      if (machine.service != name) continue;
      machine.state = parse_machine_state(state);
      machine.health = parse_health(health);
      // It means something to the engine that gave it, and to no other. A row of before has none yet.
      if (!engine.empty() && engine == *found->second->plan.engine) machine.handle = handle_of(handle);
    }
  }
}

}  // namespace tiltyard::labs
