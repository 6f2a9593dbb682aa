#pragma once

#include <soci/soci.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tiltyard::identity::sql {

using Values = std::initializer_list<std::pair<const char*, std::string>>;

/// Runs `query` with named texts bound, and calls `each` for every row that `bind` has filled in.
template <class Bind, class Each>
void for_each_row(soci::session& sql, const std::string& query, Values values, Bind bind, Each each) {
  soci::statement statement(sql);
  bind(statement);
  for (const auto& [name, value] : values) statement.exchange(soci::use(value, name));
  statement.alloc();
  statement.prepare(query);
  statement.define_and_bind();
  statement.execute();
  while (statement.fetch()) each();
}

}  // namespace tiltyard::identity::sql
