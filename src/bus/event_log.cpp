#include "bus/event_log.h"

#include <soci/soci.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "observe/log.h"
#include "observe/redact.h"

namespace tiltyard::bus {
namespace {

namespace json = boost::json;
using soci::use;

constexpr std::size_t kLongestField = 256;    ///< bytes of an id or a name
constexpr std::size_t kLongestDetail = 8192;  ///< bytes of the JSON

/// At most `most` bytes, cut between characters.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

/// As one line of plain text without secrets, whoever wrote it.
std::string clean(std::string_view text, std::size_t most = kLongestField) {
  return log::detail::escape(log::detail::redact(cut(text, most)), log::detail::Quotes::kKeep);
}

void clean(json::value& value, int depth = 0) {
  if (depth > 8) value = nullptr;
  if (auto* text = value.if_string()) {
    *text = clean(std::string_view(text->data(), text->size()), kLongestDetail);
  } else if (auto* array = value.if_array()) {
    for (auto& item : *array) clean(item, depth + 1);
  } else if (auto* object = value.if_object()) {
    for (auto& [key, item] : *object) {
      if (item.is_string() && log::detail::names_secret(std::string_view(key.data(), key.size()))) item = "***";
      else clean(item, depth + 1);
    }
  }
}

std::string clean_detail(const std::string& detail) {
  if (detail.empty() || detail == "{}") return "{}";
  boost::system::error_code error;
  json::value value = json::parse(detail, error);
  if (error || !value.is_object()) value = json::object{{"text", detail}};
  clean(value);
  auto text = json::serialize(value);
  if (text.size() > kLongestDetail) text = json::serialize(json::object{{"cut", true}, {"bytes", text.size()}});
  return text;
}

}  // namespace

std::vector<store::Migration> migrations() {
  // Earlier servers kept events in a table of labs', numbered by time; where there is none, this one makes an empty one
  // first.
  return {
      {300, "event log",
       "CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, "
       "owner TEXT NOT NULL, actor TEXT NOT NULL, at BIGINT NOT NULL, detail TEXT NOT NULL);\n"
       "ALTER TABLE events RENAME TO events_of_before;\n"
       "CREATE TABLE events (seq BIGINT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, owner TEXT NOT NULL, "
       "actor TEXT NOT NULL, actor_id TEXT NOT NULL, address TEXT NOT NULL, at BIGINT NOT NULL, detail TEXT NOT "
       "NULL);\n"
       "INSERT INTO events (seq, kind, subject, owner, actor, actor_id, address, at, detail) "
       "SELECT ROW_NUMBER() OVER (ORDER BY id), "
       "CASE WHEN kind IN ('instance.queued', 'instance.preparing') THEN 'instance.asked' ELSE kind END, "
       "subject, owner, actor, '', '', at, detail FROM events_of_before "
       "WHERE kind <> 'instance.preparing' OR actor <> '';\n"
       "DROP TABLE events_of_before;\n"
       "CREATE INDEX events_kind ON events (kind, seq);\n"
       "CREATE INDEX events_subject ON events (subject, seq);\n"
       "CREATE INDEX events_owner ON events (owner, seq);\n"
       "CREATE INDEX events_actor ON events (actor, seq);\n"
       "CREATE INDEX events_actor_id ON events (actor_id, seq);\n"
       "CREATE INDEX events_at ON events (at, seq);\n"
       "CREATE TABLE event_sequence (id INTEGER PRIMARY KEY CHECK (id = 1), last BIGINT NOT NULL, "
       "latest_at BIGINT NOT NULL, disorder BIGINT NOT NULL);\n"
       "INSERT INTO event_sequence (id, last, latest_at, disorder) "
       "SELECT 1, COALESCE(MAX(seq), 0), COALESCE(MAX(at), 0), COALESCE(MAX(before - at), 0) "
       "FROM (SELECT seq, at, MAX(at) OVER (ORDER BY seq) AS before FROM events) AS told"}};
}

/// One row of `event_sequence` numbers the events: whoever writes holds it until the commit, so that numbers become
/// visible in their order, on PostgreSQL too, and a reader who has seen N never finds a smaller one later. `disorder`
/// is the furthest that an event's time ever lay behind an earlier event's: it makes look-ups by time exact.
Result<> record(soci::session& sql, const Event& event) {
  if (event.kind->rows == Rows::kNone) {
    return fail(Code::kInternal, "event-not-kept", "An event that only passes cannot be recorded.",
                std::string(event.kind->name));
  }
  const std::string kind(event.kind->name);
  const long long at = to_micros(event.at == TimePoint{} ? SystemClock().now() : event.at);
  const std::string subject = clean(event.subject), owner = clean(event.owner), actor = clean(event.actor.name),
                    actor_id = clean(event.actor.id), address = clean(event.actor.address),
                    detail = clean_detail(event.detail);
  sql << "UPDATE event_sequence SET last = last + 1, "
         "disorder = CASE WHEN latest_at - :at > disorder THEN latest_at - :at ELSE disorder END, "
         "latest_at = CASE WHEN :at > latest_at THEN :at ELSE latest_at END WHERE id = 1",
      use(at, "at");
  sql << "INSERT INTO events (seq, kind, subject, owner, actor, actor_id, address, at, detail) "
         "SELECT last, :kind, :subject, :owner, :actor, :actor_id, :address, CAST(:at AS BIGINT), :detail "
         "FROM event_sequence WHERE id = 1",
      use(kind, "kind"), use(subject, "subject"), use(owner, "owner"), use(actor, "actor"), use(actor_id, "actor_id"),
      use(address, "address"), use(at, "at"), use(detail, "detail");
  if (event.kind->touches == Touches::kRights) store::notify(sql, kRightsChannel, "lost");
  return {};
}

asio::awaitable<Result<>> record(store::Store& store, Event event) {
  auto work = [event = std::move(event)](soci::session& sql) { return record(sql, event); };
  co_return co_await store.write(std::move(work));
}

}  // namespace tiltyard::bus
