#include "limits/store.h"

#include <soci/soci.h>

#include <fmt/format.h>

#include "bus/event_log.h"
#include "limits/events.h"
#include "limits/limits.h"

namespace tiltyard::limits {

/// Numbers 400 to 449 are ours.
std::vector<store::Migration> migrations() {
  return {{400, "limit changes", R"sql(
create table limit_changes (
  limiter text primary key,
  burst bigint not null,
  rate bigint not null,
  per_day bigint not null,
  changed_by text not null
)
)sql"}};
}

namespace sql {

Result<std::map<std::string, Rates>> read_changes(soci::session& sql) {
  std::map<std::string, Rates> changes;
  std::string limiter;
  long long burst = 0, rate = 0, per_day = 0;
  soci::statement statement = (sql.prepare << "select limiter, burst, rate, per_day from limit_changes",
                               soci::into(limiter), soci::into(burst), soci::into(rate), soci::into(per_day));
  statement.execute();
  while (statement.fetch()) changes[limiter] = Rates{burst, rate, per_day};
  return changes;
}

Result<> write_change(soci::session& sql, const std::string& limiter, const std::optional<Rates>& rates,
                      const std::string& actor) {
  sql << "delete from limit_changes where limiter = :limiter", soci::use(limiter);
  bus::Event event;
  event.kind = events::kChanged;
  event.subject = limiter;
  event.actor = actor;
  event.detail = R"({"rates":null})";
  if (rates) {
    const long long burst = rates->burst, rate = rates->rate, per_day = rates->per_day;
    sql << "insert into limit_changes (limiter, burst, rate, per_day, changed_by) values (:limiter, :burst, :rate, "
           ":day, :actor)",
        soci::use(limiter), soci::use(burst), soci::use(rate), soci::use(per_day), soci::use(actor);
    event.detail = fmt::format(R"({{"rates":{{"burst":{},"rate":{},"per_day":{}}}}})", burst, rate, per_day);
  }
  return bus::record(sql, event);
}

}  // namespace sql

}  // namespace tiltyard::limits
