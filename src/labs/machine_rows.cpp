#include "labs/machine_rows.h"

#include <soci/soci.h>

#include <unordered_map>

namespace tiltyard::labs {

void keep_machines(soci::session& sql, const Instance& instance) {
  const auto& id = instance.id.str();
  if (!instance.live()) {
    sql << "DELETE FROM machines WHERE instance = :instance", soci::use(id);
    return;
  }
  for (const auto& machine : instance.plan.machines) {
    const std::string state(to_string(machine.state)), health(to_string(machine.health));
    soci::statement change =
        (sql.prepare << "UPDATE machines SET state = :state, health = :health WHERE instance = :instance AND "
                        "machine = :machine",
         soci::use(state), soci::use(health), soci::use(id), soci::use(machine.service));
    change.execute(true);
    if (change.get_affected_rows() > 0) continue;
    sql << "INSERT INTO machines (instance, machine, state, health) VALUES (:instance, :machine, :state, :health)",
        soci::use(id), soci::use(machine.service), soci::use(state), soci::use(health);
  }
}

void add_machines(soci::session& sql, std::vector<Instance>& instances) {
  std::unordered_map<std::string, Instance*> by_id;
  for (auto& instance : instances) by_id.emplace(instance.id.str(), &instance);
  std::string id, name, state, health;
  soci::statement query = (sql.prepare << "SELECT instance, machine, state, health FROM machines", soci::into(id),
                           soci::into(name), soci::into(state), soci::into(health));
  for (bool more = query.execute(true); more; more = query.fetch()) {
    const auto found = by_id.find(id);
    if (found == by_id.end()) continue;
    for (auto& machine : found->second->plan.machines) {
      if (machine.service != name) continue;
      machine.state = parse_machine_state(state);
      machine.health = parse_health(health);
    }
  }
}

}  // namespace tiltyard::labs
