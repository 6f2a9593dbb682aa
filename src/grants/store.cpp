#include "grants/store.h"

#include <soci/soci.h>

namespace tiltyard::grants {

using soci::into;
using soci::use;

std::vector<store::Migration> migrations() {
  return {{"grants",
           "CREATE TABLE grants (hash TEXT PRIMARY KEY, user_id TEXT NOT NULL, instance TEXT NOT NULL, "
           "machine TEXT NOT NULL, kind TEXT NOT NULL, rights TEXT NOT NULL, ends_at BIGINT NOT NULL);\n"
           "CREATE INDEX grants_ends ON grants (ends_at)"}};
}

namespace sql {

void add_grant(soci::session& sql, const GrantRow& grant, TimePoint now) {
  const auto at = to_micros(now), ends_at = to_micros(grant.ends_at);
  sql << "DELETE FROM grants WHERE ends_at <= :now", use(at, "now");
  sql << "INSERT INTO grants (hash, user_id, instance, machine, kind, rights, ends_at) "
         "VALUES (:hash, :user, :instance, :machine, :kind, :rights, :ends)",
      use(grant.hash, "hash"), use(grant.user, "user"), use(grant.instance, "instance"), use(grant.machine, "machine"),
      use(grant.kind, "kind"), use(grant.right, "rights"), use(ends_at, "ends");
}

std::optional<GrantRow> take_grant(soci::session& sql, const std::string& hash) {
  GrantRow found;
  found.hash = hash;
  long long ends_at = 0;
  sql << "SELECT user_id, instance, machine, kind, rights, ends_at FROM grants WHERE hash = :hash", use(hash, "hash"),
      into(found.user), into(found.instance), into(found.machine), into(found.kind), into(found.right), into(ends_at);
  if (!sql.got_data()) return std::nullopt;
  found.ends_at = from_micros(ends_at);
  soci::statement remove = (sql.prepare << "DELETE FROM grants WHERE hash = :hash", use(hash, "hash"));
  remove.execute(true);
  if (remove.get_affected_rows() != 1) return std::nullopt;
  return found;
}

}  // namespace sql
}  // namespace tiltyard::grants
