#include "captures/store.h"

#include <soci/soci.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "bus/event_log.h"
#include "captures/captures.h"

namespace tiltyard::captures {
namespace {

namespace json = boost::json;
using soci::use;

json::object details_of(const Capture& capture) {
  json::array networks, gaps;
  for (const auto& network : capture.networks) networks.emplace_back(network);
  for (const auto& gap : capture.gaps) gaps.push_back(json::array{to_micros(gap.from), to_micros(gap.to)});
  return {{"template", capture.tmpl},
          {"template_name", capture.template_name},
          {"owner_name", capture.owner_name},
          {"cause", to_string(capture.cause)},
          {"started_by", capture.started_by},
          {"filter", capture.filter},
          {"bytes", capture.bytes},
          {"age", capture.age.count()},
          {"seen_at", to_micros(capture.seen_at)},
          {"until", capture.until ? to_micros(*capture.until) : 0},
          {"attended", capture.attended},
          {"networks", std::move(networks)},
          {"gaps", std::move(gaps)},
          {"end_reason", capture.end_reason},
          {"packets", capture.packets},
          {"seen_bytes", capture.seen_bytes},
          {"missed", capture.missed},
          {"unwritten", capture.unwritten}};
}

std::uint64_t count_of(const json::object& from, std::string_view name) {
  return static_cast<std::uint64_t>(number_of(from, name));
}

void fill(Capture& out, const json::object& from) {
  out.tmpl = text_of(from, "template");
  out.template_name = text_of(from, "template_name");
  out.owner_name = text_of(from, "owner_name");
  out.cause = cause_named(text_of(from, "cause"));
  out.started_by = text_of(from, "started_by");
  out.filter = text_of(from, "filter");
  out.bytes = count_of(from, "bytes");
  out.age = std::chrono::seconds{number_of(from, "age")};
  out.seen_at = from_micros(number_of(from, "seen_at"));
  if (const auto until = number_of(from, "until"); until > 0) out.until = from_micros(until);
  out.attended = flag_of(from, "attended");
  out.networks = texts_of(from, "networks");
  if (const auto* gaps = member(from, "gaps").if_array()) {
    for (const auto& gap : *gaps) {
      const auto* pair = gap.if_array();
      if (pair != nullptr && pair->size() == 2)
        out.gaps.push_back({from_micros(number_of((*pair)[0])), from_micros(number_of((*pair)[1]))});
    }
  }
  out.end_reason = text_of(from, "end_reason");
  out.packets = count_of(from, "packets");
  out.seen_bytes = count_of(from, "seen_bytes");
  out.missed = count_of(from, "missed");
  out.unwritten = count_of(from, "unwritten");
}

const std::string kSelect = "SELECT id, instance, owner, started_at, ended_at, size, detail FROM captures ";

std::vector<Capture> read(const soci::rowset<soci::row>& rows) {
  std::vector<Capture> out;
  for (const auto& row : rows) {
    Capture one;
    one.id = row.get<std::string>(0);
    one.instance = InstanceId(row.get<std::string>(1));
    one.owner = row.get<std::string>(2);
    one.started_at = from_micros(row.get<long long>(3));
    if (const auto ended = row.get<long long>(4); ended > 0) one.ended_at = from_micros(ended);
    one.size = static_cast<std::uint64_t>(row.get<long long>(5));
    boost::system::error_code failed;
    const auto detail = json::parse(row.get<std::string>(6), failed);
    if (const auto* object = detail.if_object(); !failed && object != nullptr) fill(one, *object);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::kStaff:
      return "staff";
    case Cause::kTemplate:
      return "template";
    case Cause::kEvidence:
      break;
  }
  return "evidence";
}

Cause cause_named(std::string_view word) {
  if (word == "staff") return Cause::kStaff;
  return word == "template" ? Cause::kTemplate : Cause::kEvidence;
}

std::vector<store::Migration> migrations() {
  return {{"captures",
           "CREATE TABLE captures (id TEXT PRIMARY KEY, instance TEXT NOT NULL, owner TEXT NOT NULL, "
           "started_at BIGINT NOT NULL, ended_at BIGINT NOT NULL, size BIGINT NOT NULL, detail TEXT NOT NULL);\n"
           "CREATE INDEX captures_instance ON captures (instance);\n"
           "CREATE INDEX captures_ended ON captures (ended_at)"}};
}

boost::asio::awaitable<Result<std::vector<Capture>>> CaptureStore::newest(InstanceId instance) {
  auto work = [instance](soci::session& sql) -> Result<std::vector<Capture>> {
    const auto& id = instance.str();
    const soci::rowset<soci::row> rows =
        (sql.prepare << kSelect + "WHERE instance = :instance OR cast(:any AS text) = '' ORDER BY id DESC LIMIT 500",
         use(id, "instance"), use(id, "any"));
    return read(rows);
  };
  co_return co_await store_.read(std::move(work));
}

boost::asio::awaitable<Result<std::optional<Capture>>> CaptureStore::find(std::string id) {
  auto work = [id](soci::session& sql) -> Result<std::optional<Capture>> {
    const soci::rowset<soci::row> rows = (sql.prepare << kSelect + "WHERE id = :id", use(id));
    auto found = read(rows);
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  };
  co_return co_await store_.read(std::move(work));
}

boost::asio::awaitable<Result<std::vector<Capture>>> CaptureStore::open() {
  auto work = [](soci::session& sql) -> Result<std::vector<Capture>> {
    const soci::rowset<soci::row> rows = (sql.prepare << kSelect + "WHERE ended_at = 0 ORDER BY id");
    return read(rows);
  };
  co_return co_await store_.read(std::move(work));
}

boost::asio::awaitable<Result<std::vector<Capture>>> CaptureStore::ended_by(TimePoint by) {
  auto work = [at = static_cast<long long>(to_micros(by))](soci::session& sql) -> Result<std::vector<Capture>> {
    const soci::rowset<soci::row> rows =
        (sql.prepare << kSelect + "WHERE ended_at > 0 AND ended_at <= :at ORDER BY ended_at, id LIMIT 100", use(at));
    return read(rows);
  };
  co_return co_await store_.read(std::move(work));
}

boost::asio::awaitable<Result<CaptureStore::Kept>> CaptureStore::kept() {
  auto work = [](soci::session& sql) -> Result<Kept> {
    long long bytes = 0, captures = 0;
    sql << "SELECT cast(coalesce(sum(size), 0) AS bigint), count(*) FROM captures WHERE ended_at > 0",
        soci::into(bytes), soci::into(captures);
    return Kept{static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(captures)};
  };
  co_return co_await store_.read(std::move(work));
}

boost::asio::awaitable<Result<>> CaptureStore::put(Capture capture, std::optional<bus::Event> event) {
  auto work = [capture = std::move(capture), event = std::move(event)](soci::session& sql) -> Result<> {
    const long long started = to_micros(capture.started_at);
    const long long ended = capture.ended_at ? to_micros(*capture.ended_at) : 0;
    const auto size = static_cast<long long>(capture.size);
    const auto detail = json::serialize(details_of(capture));
    const auto& id = capture.id;
    const auto& instance = capture.instance.str();
    sql << "DELETE FROM captures WHERE id = :id", use(id);
    sql << "INSERT INTO captures (id, instance, owner, started_at, ended_at, size, detail) VALUES (:id, :instance, "
           ":owner, :started, :ended, :size, :detail)",
        use(id), use(instance), use(capture.owner), use(started), use(ended), use(size), use(detail);
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

boost::asio::awaitable<Result<>> CaptureStore::drop(std::string id, std::optional<bus::Event> event) {
  auto work = [id = std::move(id), event = std::move(event)](soci::session& sql) -> Result<> {
    sql << "DELETE FROM captures WHERE id = :id", use(id);
    return event ? bus::record(sql, *event) : Result<>{};
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::captures
