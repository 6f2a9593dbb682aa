#include "labs/store.h"

namespace tiltyard::labs {

std::vector<store::Migration> migrations() {
  return {
      {1, "instances",
       "CREATE TABLE instances ("
       "id TEXT PRIMARY KEY, template TEXT NOT NULL, template_name TEXT NOT NULL, template_hash TEXT NOT NULL, "
       "owner TEXT NOT NULL, owner_name TEXT NOT NULL, user_id TEXT NOT NULL, team TEXT NOT NULL, "
       "cost_centre TEXT NOT NULL, state TEXT NOT NULL, reason_code TEXT NOT NULL, reason_text TEXT NOT NULL, "
       "context TEXT NOT NULL, lease TEXT NOT NULL, plan TEXT NOT NULL, timings TEXT NOT NULL, "
       "login TEXT NOT NULL, password TEXT NOT NULL, "
       "created_at BIGINT NOT NULL, started_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, "
       "extensions BIGINT NOT NULL, added BIGINT NOT NULL, "
       "cpu_seconds DOUBLE PRECISION NOT NULL, memory_gib_hours DOUBLE PRECISION NOT NULL);\n"
       "CREATE UNIQUE INDEX instances_twin ON instances (owner, template) WHERE state NOT IN ('stopped', 'failed');\n"
       "CREATE INDEX instances_live ON instances (state) WHERE state NOT IN ('stopped', 'failed');\n"
       "CREATE INDEX instances_owner ON instances (owner, created_at);\n"
       "CREATE INDEX instances_created ON instances (created_at);\n"
       "CREATE TABLE ports (owner TEXT NOT NULL, template TEXT NOT NULL, machine_port INTEGER NOT NULL, "
       "port INTEGER NOT NULL, PRIMARY KEY (owner, template, machine_port));\n"
       "CREATE TABLE template_overrides (template TEXT PRIMARY KEY, change TEXT NOT NULL);\n"
       "CREATE TABLE template_starts (template TEXT PRIMARY KEY, usual BIGINT NOT NULL);\n"
       "CREATE TABLE events (id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, owner TEXT NOT NULL, "
       "actor TEXT NOT NULL, at BIGINT NOT NULL, detail TEXT NOT NULL);\n"
       "CREATE INDEX events_at ON events (at)"},
      {2, "pool",
       "ALTER TABLE instances ADD COLUMN pool TEXT NOT NULL DEFAULT '';\n"
       "DROP INDEX instances_twin;\n"
       "CREATE UNIQUE INDEX instances_twin ON instances (owner, template) "
       "WHERE state NOT IN ('stopped', 'failed') AND pool <> 'waiting'"},
      {3, "pace", "CREATE TABLE spawn_pace (name TEXT PRIMARY KEY, value DOUBLE PRECISION NOT NULL)"},
      {4, "machines",
       "CREATE TABLE machines (instance TEXT NOT NULL, machine TEXT NOT NULL, state TEXT NOT NULL, "
       "health TEXT NOT NULL, PRIMARY KEY (instance, machine))"},
      {"engines",
       "ALTER TABLE instances ADD COLUMN engine TEXT NOT NULL DEFAULT '';\n"
       "ALTER TABLE machines ADD COLUMN engine TEXT NOT NULL DEFAULT '';\n"
       "ALTER TABLE machines ADD COLUMN handle TEXT NOT NULL DEFAULT ''"},
      {"last words",
       "CREATE TABLE last_words (instance TEXT NOT NULL, machine TEXT NOT NULL, at BIGINT NOT NULL, "
       "said TEXT NOT NULL, PRIMARY KEY (instance, machine));\n"
       "CREATE INDEX last_words_at ON last_words (at)"}};
}

}  // namespace tiltyard::labs
