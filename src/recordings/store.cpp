#include "recordings/store.h"

#include <soci/soci.h>

#include <boost/json.hpp>

#include "base/json.h"
#include "bus/event_log.h"

namespace tiltyard::recordings {
namespace {

namespace json = boost::json;
using soci::use;

const std::string kSelect = "SELECT id, instance, owner, started_at, ended_at, size, detail FROM recordings ";

json::object details_of(const Recording& one) {
  return {{"machine", one.what.machine}, {"kind", one.what.kind},       {"columns", one.what.columns},
          {"rows", one.what.rows},       {"by_name", one.what.by.name}, {"by", one.what.by.id},
          {"reason", one.end_reason}};
}

std::vector<Recording> rows_of(const soci::rowset<soci::row>& rows) {
  std::vector<Recording> out;
  for (const auto& row : rows) {
    Recording one;
    one.id = row.get<std::string>(0);
    one.what.instance = InstanceId(row.get<std::string>(1));
    one.what.owner = row.get<std::string>(2);
    one.started_at = from_micros(row.get<long long>(3));
    if (const auto ended = row.get<long long>(4); ended > 0) one.ended_at = from_micros(ended);
    one.size = static_cast<std::uint64_t>(row.get<long long>(5));
    boost::system::error_code failed;
    const auto detail = json::parse(row.get<std::string>(6), failed);
    if (const auto* from = detail.if_object(); !failed && from != nullptr) {
      one.what.machine = text_of(*from, "machine");
      one.what.kind = text_of(*from, "kind");
      one.what.columns = static_cast<int>(number_of(*from, "columns"));
      one.what.rows = static_cast<int>(number_of(*from, "rows"));
      one.what.by.name = text_of(*from, "by_name");
      one.what.by.id = text_of(*from, "by");
      one.end_reason = text_of(*from, "reason");
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::vector<store::Migration> migrations() {
  return {{"recordings",
           "CREATE TABLE recordings (id TEXT PRIMARY KEY, instance TEXT NOT NULL, owner TEXT NOT NULL, "
           "started_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, size BIGINT NOT NULL, detail TEXT NOT NULL);\n"
           "CREATE INDEX recordings_instance ON recordings (instance);\n"
           "CREATE INDEX recordings_owner ON recordings (owner);\n"
           "CREATE INDEX recordings_ended ON recordings (ended_at)"}};
}

asio::awaitable<Result<std::vector<Recording>>> RecordingStore::newest(InstanceId instance, std::string owner) {
  auto work = [instance, owner](soci::session& sql) -> Result<std::vector<Recording>> {
    const auto& id = instance.str();
    const soci::rowset<soci::row> rows =
        (sql.prepare << kSelect +
                            "WHERE (instance = :instance OR cast(:any AS text) = '') AND (owner = :owner OR "
                            "cast(:all AS text) = '') ORDER BY id DESC LIMIT 500",
         use(id, "instance"), use(id, "any"), use(owner, "owner"), use(owner, "all"));
    return rows_of(rows);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::optional<Recording>>> RecordingStore::find(std::string id) {
  auto work = [id](soci::session& sql) -> Result<std::optional<Recording>> {
    const soci::rowset<soci::row> rows = (sql.prepare << kSelect + "WHERE id = :id", use(id));
    auto found = rows_of(rows);
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<Recording>>> RecordingStore::open() {
  auto work = [](soci::session& sql) -> Result<std::vector<Recording>> {
    const soci::rowset<soci::row> rows = (sql.prepare << kSelect + "WHERE ended_at = 0 ORDER BY id");
    return rows_of(rows);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<Recording>>> RecordingStore::ended_by(TimePoint by) {
  auto work = [at = static_cast<long long>(to_micros(by))](soci::session& sql) -> Result<std::vector<Recording>> {
    const soci::rowset<soci::row> rows =
        (sql.prepare << kSelect + "WHERE ended_at > 0 AND ended_at <= :at ORDER BY ended_at, id LIMIT 100", use(at));
    return rows_of(rows);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::optional<Recording>>> RecordingStore::first_to_go(std::uint64_t more_than) {
  auto work = [least = static_cast<long long>(more_than)](soci::session& sql) -> Result<std::optional<Recording>> {
    const soci::rowset<soci::row> rows =
        (sql.prepare << kSelect +
                            "WHERE ended_at > 0 AND owner = (SELECT owner FROM recordings WHERE ended_at > 0 GROUP BY "
                            "owner HAVING sum(size) > cast(:least AS bigint) ORDER BY sum(size) DESC, owner LIMIT 1) "
                            "ORDER BY ended_at, id LIMIT 1",
         use(least));
    auto found = rows_of(rows);
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::uint64_t>> RecordingStore::kept() {
  auto work = [](soci::session& sql) -> Result<std::uint64_t> {
    long long bytes = 0;
    sql << "SELECT cast(coalesce(sum(size), 0) AS bigint) FROM recordings WHERE ended_at > 0", soci::into(bytes);
    return static_cast<std::uint64_t>(bytes);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> RecordingStore::put(Recording recording, std::optional<bus::Event> event) {
  auto work = [one = std::move(recording), event = std::move(event)](soci::session& sql) -> Result<> {
    const long long started = to_micros(one.started_at);
    const long long ended = one.ended_at ? to_micros(*one.ended_at) : 0;
    const auto size = static_cast<long long>(one.size);
    const auto detail = json::serialize(details_of(one));
    const auto& instance = one.what.instance.str();
    sql << "DELETE FROM recordings WHERE id = :id", use(one.id);
    sql << "INSERT INTO recordings (id, instance, owner, started_at, ended_at, size, detail) VALUES (:id, :instance, "
           ":owner, :started, :ended, :size, :detail)",
        use(one.id), use(instance), use(one.what.owner), use(started), use(ended), use(size), use(detail);
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> RecordingStore::drop(std::string id, bus::Event event) {
  auto work = [id = std::move(id), event = std::move(event)](soci::session& sql) -> Result<> {
    sql << "DELETE FROM recordings WHERE id = :id", use(id);
    return bus::record(sql, event);
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::recordings
