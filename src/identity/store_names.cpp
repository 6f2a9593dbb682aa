// The keys of names that were given when other rules said which names are the same.
#include <fmt/format.h>
#include <soci/soci.h>

#include "identity/names.h"
#include "identity/store.h"
#include "identity/store_rows.h"

namespace tiltyard::identity::sql {
namespace {

using soci::into;
using soci::use;

struct Named {
  std::string id, kind, name, key;

  std::string wanted() const { return kind.empty() ? fold_name(name) : name_key(kind, name); }
};

/// Those of `table` whose key is not today's; `kind` is a column, or '' for teams.
std::vector<Named> old_keys(soci::session& sql, std::string_view table, std::string_view kind) {
  Named row;
  std::vector<Named> found;
  const auto bind = [&](soci::statement& statement) {
    for (auto* column : {&row.id, &row.kind, &row.name, &row.key}) statement.exchange(into(*column));
  };
  const auto each = [&] {
    if (row.key != row.wanted()) found.push_back(row);
  };
  for_each_row(sql,
               fmt::format("select id, {}, name, name_key from {} where deleted_at is null order by id", kind, table),
               {}, bind, each);
  return found;
}

void renew(soci::session& sql, std::string_view table, const Named& row) {
  auto key = row.wanted();
  int others = 0;
  sql << fmt::format("select count(*) from {} where name_key = :key and deleted_at is null", table), use(key, "key"),
      into(others);
  if (others > 0) key = exact_name_key(row.kind, row.name);
  sql << fmt::format("update {} set name_key = :key where id = :id", table), use(key, "key"), use(row.id, "id");
}

}  // namespace

bool name_keys_are_old(soci::session& sql) {
  return !old_keys(sql, "users", "kind").empty() || !old_keys(sql, "teams", "''").empty();
}

void renew_name_keys(soci::session& sql) {
  for (const auto& row : old_keys(sql, "users", "kind")) renew(sql, "users", row);
  for (const auto& row : old_keys(sql, "teams", "''")) renew(sql, "teams", row);
}

}  // namespace tiltyard::identity::sql
