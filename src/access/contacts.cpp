#include "access/contacts.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <map>

namespace tiltyard::access {

std::vector<store::Migration> migrations() {
  return {{"contacts",
           "CREATE TABLE contacts ("
           "id BIGINT NOT NULL, instance TEXT NOT NULL, template TEXT NOT NULL, owner TEXT NOT NULL, "
           "endpoint TEXT NOT NULL, address TEXT NOT NULL, visitor BIGINT NOT NULL, first_at BIGINT NOT NULL, "
           "last_at BIGINT NOT NULL, noted BIGINT NOT NULL, PRIMARY KEY (instance, endpoint, address, visitor));\n"
           "CREATE UNIQUE INDEX contacts_id ON contacts (id);\n"
           "CREATE INDEX contacts_owner ON contacts (owner, first_at);\n"
           "CREATE INDEX contacts_last ON contacts (last_at);\n"
           "CREATE TABLE contact_people (visitor BIGINT PRIMARY KEY, user_id TEXT NOT NULL);\n"}};
}

namespace {

/// True: there is a row of this visitor by now.
bool write_one(soci::session& sql, const Entry& entry, long long& next, std::map<std::string, long long>& rows) {
  const long long at = to_micros(entry.at);
  const long long visitor = entry.visitor;
  soci::statement update =
      (sql.prepare << "UPDATE contacts SET last_at = CASE WHEN last_at < :at THEN :at2 ELSE last_at END, first_at = "
                      "CASE WHEN first_at > :at3 THEN :at4 ELSE first_at END, noted = noted + 1 WHERE instance = "
                      ":instance AND endpoint = :endpoint AND address = :address AND visitor = :visitor",
       soci::use(at), soci::use(at), soci::use(at), soci::use(at), soci::use(entry.instance), soci::use(entry.endpoint),
       soci::use(entry.address), soci::use(visitor));
  update.execute(true);
  if (update.get_affected_rows() > 0) return true;
  auto [known, fresh] = rows.try_emplace(entry.instance, 0);
  if (fresh)
    sql << "SELECT COUNT(*) FROM contacts WHERE instance = :instance", soci::use(entry.instance),
        soci::into(known->second);
  if (known->second >= Contacts::kMostOfOne) return false;
  ++known->second;
  ++next;
  sql << "INSERT INTO contacts (id, instance, template, owner, endpoint, address, visitor, first_at, last_at, noted) "
         "VALUES (:id, :instance, :template, :owner, :endpoint, :address, :visitor, :first, :last, 1)",
      soci::use(next), soci::use(entry.instance), soci::use(entry.tmpl), soci::use(entry.owner),
      soci::use(entry.endpoint), soci::use(entry.address), soci::use(visitor), soci::use(at), soci::use(at);
  return true;
}

Seen seen_in(const soci::row& row) {
  Seen out;
  out.id = row.get<long long>(0);
  out.instance = row.get<std::string>(1);
  out.tmpl = row.get<std::string>(2);
  out.owner = row.get<std::string>(3);
  out.endpoint = row.get<std::string>(4);
  out.address = row.get<std::string>(5);
  out.first = from_micros(row.get<long long>(6));
  out.last = from_micros(row.get<long long>(7));
  out.noted = row.get<long long>(8);
  if (row.get_indicator(9) == soci::i_ok) out.user = row.get<std::string>(9);
  return out;
}

}  // namespace

asio::awaitable<Result<std::size_t>> Contacts::write(std::vector<Entry> entries) {
  auto work = [entries = std::move(entries)](soci::session& sql) -> Result<std::size_t> {
    long long next = 0;
    sql << "SELECT COALESCE(MAX(id), 0) FROM contacts", soci::into(next);
    std::map<std::string, long long> rows;
    std::size_t left_out = 0;
    for (const auto& entry : entries) left_out += write_one(sql, entry, next, rows) ? 0 : 1;
    return left_out;
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> Contacts::name(std::int64_t visitor, std::string user) {
  auto work = [visitor = static_cast<long long>(visitor), user = std::move(user)](soci::session& sql) -> Result<> {
    sql << "DELETE FROM contact_people WHERE visitor = :visitor", soci::use(visitor);
    sql << "INSERT INTO contact_people (visitor, user_id) VALUES (:visitor, :user)", soci::use(visitor),
        soci::use(user);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::vector<Seen>>> Contacts::read(Query query) {
  auto work = [query = std::move(query)](soci::session& sql) -> Result<std::vector<Seen>> {
    std::string where = " WHERE 1 = 1";
    std::vector<const std::string*> values;
    for (const auto& [column, value] : {std::pair("c.instance", &query.instance), std::pair("c.template", &query.tmpl),
                                        std::pair("c.owner", &query.owner), std::pair("c.endpoint", &query.endpoint),
                                        std::pair("p.user_id", &query.user)}) {
      if (value->empty()) continue;
      where += fmt::format(" AND {} = :v{}", column, values.size());
      values.push_back(value);
    }
    const long long time = to_micros(query.after_time), id = query.after;
    if (id > 0) where += " AND (c.first_at > :time OR (c.first_at = :time2 AND c.id > :id))";
    soci::statement statement(sql);
    soci::row row;
    for (const auto* value : values) statement.exchange(soci::use(*value));
    if (id > 0) {
      statement.exchange(soci::use(time));
      statement.exchange(soci::use(time));
      statement.exchange(soci::use(id));
    }
    statement.exchange(soci::into(row));
    statement.alloc();
    statement.prepare(
        "SELECT c.id, c.instance, c.template, c.owner, c.endpoint, c.address, c.first_at, c.last_at, c.noted, "
        "p.user_id FROM contacts c LEFT JOIN contact_people p ON p.visitor = c.visitor" +
        where + fmt::format(" ORDER BY c.first_at, c.id LIMIT {}", query.limit));
    statement.define_and_bind();
    statement.execute();
    std::vector<Seen> out;
    while (statement.fetch()) out.push_back(seen_in(row));
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::size_t>> Contacts::forget(TimePoint before, int most) {
  auto work = [limit = static_cast<long long>(to_micros(before)), most](soci::session& sql) -> Result<std::size_t> {
    soci::statement query = (sql.prepare << "DELETE FROM contacts WHERE id IN (SELECT id FROM contacts WHERE last_at < "
                                            ":before ORDER BY last_at LIMIT " +
                                                std::to_string(most) + ")",
                             soci::use(limit));
    query.execute(true);
    return static_cast<std::size_t>(query.get_affected_rows());
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::access
