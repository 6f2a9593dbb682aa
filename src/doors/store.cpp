#include "doors/store.h"

#include <soci/soci.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>

#include <algorithm>

#include "base/text.h"

namespace tiltyard::doors {

using soci::into;
using soci::use;

std::vector<store::Migration> migrations() {
  return {{"doors",
           "CREATE TABLE door_keys (id BIGINT PRIMARY KEY, secret TEXT NOT NULL, made_at BIGINT NOT NULL);\n"
           "CREATE TABLE door_shares (id TEXT PRIMARY KEY, instance TEXT NOT NULL, owner TEXT NOT NULL, "
           "hash TEXT NOT NULL UNIQUE, for_one BIGINT NOT NULL, made_by TEXT NOT NULL, made_by_name TEXT NOT NULL, "
           "made_at BIGINT NOT NULL, ends_at BIGINT NOT NULL);\n"
           "CREATE INDEX door_shares_instance ON door_shares (instance);\n"
           "CREATE INDEX door_shares_ends ON door_shares (ends_at);\n"
           "CREATE TABLE door_guests (share TEXT NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL, "
           "at BIGINT NOT NULL, PRIMARY KEY (share, user_id));\n"
           "CREATE INDEX door_guests_user ON door_guests (user_id)"}};
}

namespace sql {
namespace {

constexpr int kGuestsShown = 50;

struct KeyRow {
  gateway::DoorKey key;
  TimePoint made_at;
};

/// The newest first. A row that cannot be read makes and checks nothing.
std::vector<KeyRow> key_rows(soci::session& sql) {
  std::vector<KeyRow> rows;
  long long id = 0, made_at = 0;
  std::string secret;
  soci::statement query = (sql.prepare << "SELECT id, secret, made_at FROM door_keys ORDER BY made_at DESC, id DESC",
                           into(id), into(secret), into(made_at));
  for (bool more = query.execute(true); more; more = query.fetch()) {
    KeyRow row{{static_cast<std::uint8_t>(id & 63), {}}, from_micros(made_at)};
    std::size_t size = 0;
    auto& bytes = row.key.secret;
    const bool whole =
        sodium_hex2bin(bytes.data(), bytes.size(), secret.data(), secret.size(), nullptr, &size, nullptr) == 0;
    if (whole && size == bytes.size()) rows.push_back(row);
  }
  return rows;
}

void make_key(soci::session& sql, const std::vector<KeyRow>& rows, TimePoint now) {
  std::array<unsigned char, 32> secret;
  randombytes_buf(secret.data(), secret.size());
  const long long id = rows.empty() ? 0 : (rows.front().key.id + 1) % 64;
  const auto text = hex(secret);
  const auto at = to_micros(now);
  sql << "DELETE FROM door_keys WHERE id = :id", use(id, "id");
  sql << "INSERT INTO door_keys (id, secret, made_at) VALUES (:id, :secret, :at)", use(id, "id"), use(text, "secret"),
      use(at, "at");
}

/// The one that makes passes comes first. The newest does that once every other server has looked and checks with it.
std::vector<gateway::DoorKey> in_order(std::vector<KeyRow> rows, TimePoint now) {
  const auto known = std::ranges::find_if(rows, [now](const KeyRow& row) { return row.made_at + kKeyWait <= now; });
  if (known != rows.end()) std::rotate(rows.begin(), known, known + 1);
  std::vector<gateway::DoorKey> out;
  for (const auto& row : rows) out.push_back(row.key);
  return out;
}

/// The names of the kinds, as a list of SQL: they are constants of the program.
std::string kinds_of_rights(const bus::Kinds& kinds) {
  std::string list;
  for (const auto& declared : kinds.all()) {
    if (declared.kind->touches != bus::Touches::kRights) continue;
    list += (list.empty() ? "'" : ", '") + std::string(declared.kind->name) + "'";
  }
  return list;
}

Lost lost(soci::session& sql, const std::string& where, long long bound) {
  Lost found;
  sql << "SELECT last FROM event_sequence WHERE id = 1", into(found.until);
  std::string subject;
  long long at = 0;
  soci::statement query =
      (sql.prepare << "SELECT subject, MAX(at) FROM events WHERE " + where + " AND seq <= :until GROUP BY subject",
       use(bound, "bound"), use(found.until, "until"), into(subject), into(at));
  for (bool more = query.execute(true); more; more = query.fetch())
    found.parties.emplace_back(subject, from_micros(at));
  return found;
}

constexpr std::string_view kShareColumns =
    "SELECT s.id, s.instance, s.owner, s.hash, s.for_one, s.made_by, s.made_by_name, s.made_at, s.ends_at "
    "FROM door_shares s ";

/// One row as it is read.
struct ShareRow {
  Share share;
  long long one = 0, made_at = 0, ends_at = 0;

  Share take() {
    share.one = one != 0;
    share.made_at = from_micros(made_at);
    share.ends_at = from_micros(ends_at);
    return share;
  }
};

template <class Uses>
std::vector<Share> read(soci::session& sql, const std::string& rest, Uses uses) {
  std::vector<Share> out;
  ShareRow row;
  auto query = sql.prepare << std::string(kShareColumns) + rest;
  uses(query);
  query, into(row.share.id), into(row.share.instance), into(row.share.owner), into(row.share.hash), into(row.one),
      into(row.share.by), into(row.share.by_name), into(row.made_at), into(row.ends_at);
  soci::statement statement = query;
  for (bool more = statement.execute(true); more; more = statement.fetch()) out.push_back(row.take());
  return out;
}

std::optional<Share> first(std::vector<Share> shares) {
  return shares.empty() ? std::nullopt : std::optional(std::move(shares.front()));
}

}  // namespace

std::vector<gateway::DoorKey> keys_as_they_are(soci::session& sql, TimePoint now) {
  const auto rows = key_rows(sql);
  const bool due = rows.empty() || rows.front().made_at + kKeyTurn <= now || rows.back().made_at + kKeyLife <= now;
  return due ? std::vector<gateway::DoorKey>() : in_order(rows, now);
}

std::vector<gateway::DoorKey> keys(soci::session& sql, TimePoint now) {
  const auto too_old = to_micros(now - kKeyLife);
  sql << "DELETE FROM door_keys WHERE made_at <= :old", use(too_old, "old");
  const auto rows = key_rows(sql);
  if (rows.empty() || rows.front().made_at + kKeyTurn <= now) make_key(sql, rows, now);
  return in_order(key_rows(sql), now);
}

Lost lost_since(soci::session& sql, const bus::Kinds& kinds, TimePoint since) {
  return lost(sql, "kind IN (" + kinds_of_rights(kinds) + ") AND at >= :bound", to_micros(since));
}

Lost lost_after(soci::session& sql, const bus::Kinds& kinds, long long after) {
  return lost(sql, "kind IN (" + kinds_of_rights(kinds) + ") AND seq > :bound", after);
}

void add(soci::session& sql, const Share& share) {
  const long long one = share.one ? 1 : 0, made_at = to_micros(share.made_at), ends_at = to_micros(share.ends_at);
  sql << "INSERT INTO door_shares (id, instance, owner, hash, for_one, made_by, made_by_name, made_at, ends_at) "
         "VALUES (:id, :instance, :owner, :hash, :one, :by, :by_name, :made, :ends)",
      use(share.id, "id"), use(share.instance, "instance"), use(share.owner, "owner"), use(share.hash, "hash"),
      use(one, "one"), use(share.by, "by"), use(share.by_name, "by_name"), use(made_at, "made"), use(ends_at, "ends");
}

std::vector<Share> shares_of(soci::session& sql, const std::string& instance, TimePoint now) {
  const auto at = to_micros(now);
  auto shares = read(sql, "WHERE s.instance = :instance AND s.ends_at > :now ORDER BY s.made_at DESC, s.id DESC",
                     [&](auto& query) { query, use(instance, "instance"), use(at, "now"); });
  for (auto& share : shares) {
    std::string name;
    soci::statement query =
        (sql.prepare << "SELECT name FROM door_guests WHERE share = :share ORDER BY at, user_id LIMIT :limit",
         use(share.id, "share"), use(kGuestsShown, "limit"), into(name));
    for (bool more = query.execute(true); more; more = query.fetch()) share.guests.push_back(name);
  }
  return shares;
}

std::optional<Share> share_by_hash(soci::session& sql, const std::string& hash, TimePoint now) {
  const auto at = to_micros(now);
  return first(read(sql, "WHERE s.hash = :hash AND s.ends_at > :now",
                    [&](auto& query) { query, use(hash, "hash"), use(at, "now"); }));
}

std::optional<Share> share_of_guest(soci::session& sql, const std::string& instance, const std::string& user,
                                    TimePoint now) {
  const auto at = to_micros(now);
  return first(read(sql,
                    "JOIN door_guests g ON g.share = s.id WHERE g.user_id = :user AND s.instance = :instance AND "
                    "s.ends_at > :now ORDER BY s.ends_at DESC",
                    [&](auto& query) { query, use(user, "user"), use(instance, "instance"), use(at, "now"); }));
}

std::vector<Share> shares_of_guest(soci::session& sql, const std::string& user, TimePoint now) {
  const auto at = to_micros(now);
  return read(sql,
              "JOIN door_guests g ON g.share = s.id WHERE g.user_id = :user AND s.ends_at > :now "
              "ORDER BY s.ends_at DESC, s.id LIMIT 20",
              [&](auto& query) { query, use(user, "user"), use(at, "now"); });
}

bool has_guest(soci::session& sql, const std::string& share, const std::string& user) {
  long long count = 0;
  sql << "SELECT COUNT(*) FROM door_guests WHERE share = :share AND user_id = :user", use(share, "share"),
      use(user, "user"), into(count);
  return count > 0;
}

bool let_in(soci::session& sql, const Share& share, const std::string& user, const std::string& name, TimePoint now) {
  if (has_guest(sql, share.id, user)) return true;
  long long count = 0;
  sql << "SELECT COUNT(*) FROM door_guests WHERE share = :share", use(share.id, "share"), into(count);
  if (share.one && count > 0) return false;
  const auto at = to_micros(now);
  sql << "INSERT INTO door_guests (share, user_id, name, at) VALUES (:share, :user, :name, :at)",
      use(share.id, "share"), use(user, "user"), use(name, "name"), use(at, "at");
  return true;
}

std::optional<Share> remove(soci::session& sql, const std::string& instance, const std::string& share) {
  auto found = first(read(sql, "WHERE s.id = :share AND s.instance = :instance",
                          [&](auto& query) { query, use(share, "share"), use(instance, "instance"); }));
  if (!found) return std::nullopt;
  sql << "DELETE FROM door_guests WHERE share = :share", use(share, "share");
  sql << "DELETE FROM door_shares WHERE id = :share", use(share, "share");
  return found;
}

bool has_ended(soci::session& sql, TimePoint now) {
  const auto at = to_micros(now);
  long long count = 0;
  sql << "SELECT COUNT(*) FROM door_shares WHERE ends_at <= :now", use(at, "now"), into(count);
  return count > 0;
}

std::vector<Share> take_ended(soci::session& sql, TimePoint now) {
  const auto at = to_micros(now);
  auto ended = read(sql, "WHERE s.ends_at <= :now", [&](auto& query) { query, use(at, "now"); });
  for (const auto& share : ended) remove(sql, share.instance, share.id);
  return ended;
}

}  // namespace sql
}  // namespace tiltyard::doors
