#include "ssh/store.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <boost/json/serialize.hpp>

#include <algorithm>

#include "bus/event_log.h"
#include "ssh/events.h"

namespace tiltyard::ssh {
namespace {

namespace json = boost::json;
using soci::use;

const std::string kSelect =
    "SELECT id, user_id, name, line, fingerprint, source, created_at, last_used_at FROM ssh_keys ";

std::vector<Key> keys_of(const soci::rowset<soci::row>& rows) {
  std::vector<Key> out;
  for (const auto& row : rows) {
    Key one;
    one.id = row.get<std::string>(0);
    one.user = UserId(row.get<std::string>(1));
    one.name = row.get<std::string>(2);
    auto key = read_public_key(row.get<std::string>(3));
    if (!key) continue;  // of a kind that a later version has taken out of use
    one.key = std::move(*key);
    one.fingerprint = row.get<std::string>(4);
    one.source = row.get<std::string>(5);
    one.created_at = from_micros(row.get<long long>(6));
    if (const auto used = row.get<long long>(7); used > 0) one.last_used_at = from_micros(used);
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<Key> of_user(soci::session& sql, const std::string& user) {
  const soci::rowset<soci::row> rows = (sql.prepare << kSelect + "WHERE user_id = :user ORDER BY id", use(user));
  return keys_of(rows);
}

void insert(soci::session& sql, const Key& key) {
  const long long created = to_micros(key.created_at);
  const auto line = key.key.line();
  const auto& user = key.user.str();
  sql << "INSERT INTO ssh_keys (id, user_id, name, line, fingerprint, source, created_at, last_used_at) VALUES (:id, "
         ":user, :name, :line, :fingerprint, :source, :created, 0)",
      use(key.id), use(user), use(key.name), use(line), use(key.fingerprint), use(key.source), use(created);
}

bus::Event event_of(bus::KindRef kind, bus::Actor actor, const Key& key) {
  bus::Event event;
  event.kind = kind;
  event.subject = key.user.str();
  event.actor = std::move(actor);
  event.detail = json::serialize(
      json::object{{"id", key.id}, {"name", key.name}, {"fingerprint", key.fingerprint}, {"source", key.source}});
  return event;
}

}  // namespace

std::vector<store::Migration> migrations() {
  return {{"keys of accounts",
           "CREATE TABLE ssh_keys (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, name TEXT NOT NULL, line TEXT NOT NULL, "
           "fingerprint TEXT NOT NULL, source TEXT NOT NULL, created_at BIGINT NOT NULL, last_used_at BIGINT NOT "
           "NULL);\n"
           "CREATE UNIQUE INDEX ssh_keys_user ON ssh_keys (user_id, fingerprint);\n"
           "CREATE INDEX ssh_keys_fingerprint ON ssh_keys (fingerprint)"}};
}

asio::awaitable<Result<std::vector<Key>>> KeyStore::of(UserId user) {
  auto work = [id = user.str()](soci::session& sql) -> Result<std::vector<Key>> { return of_user(sql, id); };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<Key>>> KeyStore::add(std::vector<Key> keys, bus::Actor actor) {
  auto work = [keys = std::move(keys), actor = std::move(actor)](soci::session& sql) -> Result<std::vector<Key>> {
    std::vector<Key> added;
    auto there = of_user(sql, keys.front().user.str());
    for (const auto& key : keys) {
      if (std::ranges::any_of(there, [&](const Key& one) { return one.fingerprint == key.fingerprint; })) continue;
      if (there.size() >= kMostKeys)
        return fail(Code::kLimited, "limit-reached", fmt::format("You have {} keys; remove one first.", there.size()));
      insert(sql, key);
      if (auto told = bus::record(sql, event_of(events::kKeyAdded, actor, key)); !told)
        return fail(std::move(told.error()));
      there.push_back(key);
      added.push_back(key);
    }
    return added;
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<Key>> KeyStore::remove(UserId user, std::string id, bus::Actor actor) {
  auto work = [user = user.str(), id = std::move(id), actor = std::move(actor)](soci::session& sql) -> Result<Key> {
    const soci::rowset<soci::row> rows =
        (sql.prepare << kSelect + "WHERE id = :id AND user_id = :user", use(id), use(user));
    auto found = keys_of(rows);
    if (found.empty()) return fail(Code::kNotFound, "key-unknown", "You have no such key.");
    sql << "DELETE FROM ssh_keys WHERE id = :id", use(id);
    if (auto told = bus::record(sql, event_of(events::kKeyRemoved, actor, found.front())); !told)
      return fail(std::move(told.error()));
    return std::move(found.front());
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> KeyStore::forget(UserId user) {
  auto work = [user = user.str()](soci::session& sql) -> Result<> {
    sql << "DELETE FROM ssh_keys WHERE user_id = :user", use(user);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::ssh
