#include "farm/store.h"

#include <soci/soci.h>

#include "farm/farm.h"

namespace tiltyard::farm {

std::vector<store::Migration> migrations() {
  return {{700, "farm log", R"sql(
create table farm_log (
  row_number bigint primary key,
  body text not null
)
)sql"}};
}

namespace sql {

Result<> insert_row(soci::session& session, std::uint32_t row, const std::string& body) {
  const long long number = row;
  soci::statement insert =
      (session.prepare << "insert into farm_log (row_number, body) values (:number, :body) on conflict do nothing",
       soci::use(number), soci::use(body));
  insert.execute(true);
  if (insert.get_affected_rows() == 1) return {};
  std::string there;
  session << "select body from farm_log where row_number = :number", soci::use(number), soci::into(there);
  // Ours already: the answer to an earlier attempt was lost.
  if (there == body) return {};
  return fail(Code::kUnavailable, "farm-elsewhere", "Another server keeps the farm's books in this database.");
}

Result<std::vector<Row>> read_rows(soci::session& session, std::uint32_t after, int most) {
  std::vector<Row> rows;
  const long long from = after;
  long long number = 0;
  std::string body;
  soci::statement statement =
      (session.prepare
           << "select row_number, body from farm_log where row_number > :from order by row_number limit :most",
       soci::use(from), soci::use(most), soci::into(number), soci::into(body));
  statement.execute();
  while (statement.fetch()) rows.push_back({static_cast<std::uint32_t>(number), body});
  return rows;
}

Result<Row> read_row(soci::session& session, std::uint32_t number) {
  Row row{number, {}};
  const long long wanted = number;
  session << "select body from farm_log where row_number = :number", soci::use(wanted), soci::into(row.body);
  return row;
}

Result<> remove_before(soci::session& session, std::uint32_t row) {
  const long long before = row;
  session << "delete from farm_log where row_number < :before", soci::use(before);
  return {};
}

}  // namespace sql

}  // namespace tiltyard::farm
