#include <soci/soci.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "bus/event_log.h"
#include "snapshots/snapshots.h"

namespace tiltyard::snapshots {
namespace {

namespace json = boost::json;
using soci::use;

std::string word_of(State state) {
  switch (state) {
    case State::kTaking:
      return "taking";
    case State::kReady:
      return "ready";
    case State::kLeaving:
      break;
  }
  return "leaving";
}

/// What cannot be read is on its way out.
State state_named(const std::string& word) {
  if (word == "ready") return State::kReady;
  return word == "taking" ? State::kTaking : State::kLeaving;
}

std::string text_of_parts(const std::vector<Part>& parts) {
  json::array out;
  for (const auto& part : parts)
    out.push_back(json::object{{"machine", part.machine}, {"bytes", part.bytes}, {"files", part.files}});
  return json::serialize(out);
}

std::vector<Part> parts_in(const std::string& text) {
  boost::system::error_code failed;
  const auto value = json::parse(text, failed);
  std::vector<Part> out;
  const auto* list = failed ? nullptr : value.if_array();
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto& one = (*list)[i];
    out.push_back({text_of(one, "machine"), number_of(one, "bytes"), text_of(one, "files")});
  }
  return out;
}

}  // namespace

std::int64_t Snapshot::bytes() const {
  std::int64_t sum = 0;
  for (const auto& part : parts) sum += part.bytes;
  return sum;
}

std::vector<store::Migration> migrations() {
  return {{"snapshots",
           "CREATE TABLE snapshots (id TEXT PRIMARY KEY, instance TEXT NOT NULL, engine TEXT NOT NULL, "
           "name TEXT NOT NULL, state TEXT NOT NULL, taken_by TEXT NOT NULL, created_at BIGINT NOT NULL, "
           "parts TEXT NOT NULL)"},
          {"snapshot uses",
           "CREATE TABLE snapshot_uses (id TEXT PRIMARY KEY, instance TEXT NOT NULL, engine TEXT NOT NULL, "
           "snapshot TEXT NOT NULL, machines TEXT NOT NULL, pending BIGINT NOT NULL, created_at BIGINT NOT NULL)"}};
}

asio::awaitable<Result<std::vector<Snapshot>>> SnapshotStore::all() {
  auto work = [](soci::session& sql) -> Result<std::vector<Snapshot>> {
    std::vector<Snapshot> out;
    const soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT id, instance, engine, name, state, taken_by, created_at, parts FROM snapshots");
    for (const auto& row : rows) {
      Snapshot one;
      one.id = row.get<std::string>(0);
      one.instance = InstanceId(row.get<std::string>(1));
      one.engine = row.get<std::string>(2);
      one.name = row.get<std::string>(3);
      one.state = state_named(row.get<std::string>(4));
      one.taken_by = row.get<std::string>(5);
      one.created_at = from_micros(row.get<long long>(6));
      one.parts = parts_in(row.get<std::string>(7));
      out.push_back(std::move(one));
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> SnapshotStore::put(Snapshot snapshot, std::optional<bus::Event> event) {
  auto work = [one = std::move(snapshot), event = std::move(event)](soci::session& sql) -> Result<> {
    const auto& instance = one.instance.str();
    const auto state = word_of(one.state), parts = text_of_parts(one.parts);
    const long long created = to_micros(one.created_at);
    sql << "DELETE FROM snapshots WHERE id = :id", use(one.id);
    sql << "INSERT INTO snapshots (id, instance, engine, name, state, taken_by, created_at, parts) VALUES (:id, "
           ":instance, :engine, :name, :state, :taken_by, :created_at, :parts)",
        use(one.id), use(instance), use(one.engine), use(one.name), use(state), use(one.taken_by), use(created),
        use(parts);
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> SnapshotStore::drop(std::string id, std::optional<bus::Event> event) {
  auto work = [id = std::move(id), event = std::move(event)](soci::session& sql) -> Result<> {
    sql << "DELETE FROM snapshots WHERE id = :id", use(id);
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> SnapshotStore::note(bus::Event event) { return bus::record(store_, std::move(event)); }

asio::awaitable<Result<std::vector<Use>>> SnapshotStore::uses() {
  auto work = [](soci::session& sql) -> Result<std::vector<Use>> {
    std::vector<Use> out;
    const soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT id, instance, engine, snapshot, machines, pending, created_at FROM snapshot_uses");
    for (const auto& row : rows) {
      Use one;
      one.id = row.get<std::string>(0);
      one.instance = InstanceId(row.get<std::string>(1));
      one.engine = row.get<std::string>(2);
      one.snapshot = row.get<std::string>(3);
      for (auto& part : parts_in(row.get<std::string>(4))) one.machines.push_back(std::move(part.machine));
      one.pending = row.get<long long>(5) != 0;
      one.created_at = from_micros(row.get<long long>(6));
      out.push_back(std::move(one));
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> SnapshotStore::put(Use one, std::optional<bus::Event> event) {
  auto work = [one = std::move(one), event = std::move(event)](soci::session& sql) -> Result<> {
    std::vector<Part> parts;
    for (const auto& machine : one.machines) parts.push_back({machine, 0, ""});
    const auto machines = text_of_parts(parts);
    const auto& instance = one.instance.str();
    const long long pending = one.pending ? 1 : 0, created = to_micros(one.created_at);
    sql << "DELETE FROM snapshot_uses WHERE id = :id", use(one.id);
    sql << "INSERT INTO snapshot_uses (id, instance, engine, snapshot, machines, pending, created_at) VALUES (:id, "
           ":instance, :engine, :snapshot, :machines, :pending, :created_at)",
        use(one.id), use(instance), use(one.engine), use(one.snapshot), use(machines), use(pending), use(created);
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> SnapshotStore::drop_use(std::string id) {
  auto work = [id = std::move(id)](soci::session& sql) -> Result<> {
    sql << "DELETE FROM snapshot_uses WHERE id = :id", use(id);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::snapshots
