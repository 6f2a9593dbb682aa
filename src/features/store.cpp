#include <soci/soci.h>

#include <boost/json.hpp>

#include "bus/event_log.h"
#include "features/events.h"
#include "features/state.h"

namespace tiltyard::features {

/// Numbers 450 to 499 are ours. The rule is one JSON text: nothing asks for parts of it.
std::vector<store::Migration> migrations() {
  return {{450, "features", R"sql(
create table features (
  name text primary key,
  rule text not null,
  changed_at bigint not null,
  changed_by text not null
)
)sql"}};
}

namespace sql {

Result<std::vector<Feature>> read_all(soci::session& session) {
  std::vector<Feature> all;
  std::string name, rule, by;
  long long at = 0;
  soci::statement statement =
      (session.prepare << "select name, rule, changed_at, changed_by from features order by name", soci::into(name),
       soci::into(rule), soci::into(at), soci::into(by));
  statement.execute();
  while (statement.fetch()) {
    auto feature = from_json(name, boost::json::parse(rule).as_object());
    if (!feature)
      return fail(Code::kInternal, "store-failed", "A feature in the database cannot be read.",
                  name + ": " + feature.error().message);
    feature->changed_at = from_micros(at);
    feature->changed_by = by;
    all.push_back(std::move(*feature));
  }
  return all;
}

Result<> write(soci::session& session, const Feature& feature) {
  auto rule = to_json(feature);
  for (const auto* key : {"name", "changed_at", "changed_by"}) rule.erase(key);
  const std::string text = boost::json::serialize(rule);
  const long long at = to_micros(feature.changed_at);
  session << "delete from features where name = :name", soci::use(feature.name);
  session << "insert into features (name, rule, changed_at, changed_by) values (:name, :rule, :at, :by)",
      soci::use(feature.name), soci::use(text), soci::use(at), soci::use(feature.changed_by);
  bus::Event event;
  event.kind = events::kChanged;
  event.subject = feature.name;
  event.actor = feature.changed_by;
  event.at = feature.changed_at;
  // The lists can be long; how long is what the record needs.
  event.detail = boost::json::serialize(boost::json::object{{"enabled", feature.enabled},
                                                            {"percent", feature.percent},
                                                            {"users", feature.users.size()},
                                                            {"teams", feature.teams.size()},
                                                            {"role", rule["role"]}});
  return bus::record(session, event);
}

Result<> remove(soci::session& session, const std::string& name, const std::string& actor, TimePoint at) {
  session << "delete from features where name = :name", soci::use(name);
  bus::Event event;
  event.kind = events::kDeleted;
  event.subject = name;
  event.actor = actor;
  event.at = at;
  event.detail = "{}";
  return bus::record(session, event);
}

}  // namespace sql

}  // namespace tiltyard::features
