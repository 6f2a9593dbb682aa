#include "notices/queue.h"

#include <soci/soci.h>

#include "bus/event_log.h"
#include "notices/notices.h"

namespace tiltyard::notices {
namespace {

using soci::into;
using soci::use;

void insert(soci::session& sql, const Notice& notice) {
  const long long created = to_micros(notice.created_at), next = to_micros(notice.next_at);
  sql << "INSERT INTO notices (id, channel, mark, kind, payload, tries, alone, created_at, next_at) "
         "VALUES (:id, :channel, :mark, :kind, :payload, 0, 0, :created, :next) ON CONFLICT (mark) DO NOTHING",
      use(notice.id, "id"), use(notice.channel, "channel"), use(notice.mark, "mark"), use(notice.kind, "kind"),
      use(notice.payload, "payload"), use(created, "created"), use(next, "next");
}

void remove(soci::session& sql, const std::vector<std::string>& ids) {
  for (const auto& id : ids) sql << "DELETE FROM notices WHERE id = :id", use(id, "id");
}

}  // namespace

/// The cursor begins at the newest event: nobody is told of what was long ago.
std::vector<store::Migration> migrations() {
  return {{500, "notices",
           "CREATE TABLE notices (id TEXT PRIMARY KEY, channel TEXT NOT NULL, mark TEXT NOT NULL, kind TEXT NOT NULL, "
           "payload TEXT NOT NULL, tries INTEGER NOT NULL, alone INTEGER NOT NULL, created_at BIGINT NOT NULL, next_at "
           "BIGINT NOT NULL);\n"
           "CREATE UNIQUE INDEX notices_mark ON notices (mark);\n"
           "CREATE INDEX notices_due ON notices (channel, next_at);\n"
           "CREATE TABLE notice_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), seq BIGINT NOT NULL);\n"
           "INSERT INTO notice_cursor (id, seq) SELECT 1, last FROM event_sequence WHERE id = 1"}};
}

asio::awaitable<Result<long long>> Queue::cursor() {
  auto work = [](soci::session& sql) -> Result<long long> {
    long long seq = 0;
    sql << "SELECT seq FROM notice_cursor WHERE id = 1", into(seq);
    return seq;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<LoggedEvent>>> Queue::events_after(const bus::Kinds& kinds, long long seq,
                                                                      int limit) {
  auto work = [&kinds, seq, limit](soci::session& sql) -> Result<std::vector<LoggedEvent>> {
    std::vector<LoggedEvent> out;
    LoggedEvent row;
    std::string kind;
    long long at = 0;
    soci::statement query =
        (sql.prepare << "SELECT seq, kind, subject, owner, actor, actor_id, address, at, detail FROM events "
                        "WHERE seq > :seq ORDER BY seq LIMIT :limit",
         use(seq, "seq"), use(limit, "limit"), into(row.seq), into(kind), into(row.event.subject),
         into(row.event.owner), into(row.event.actor.name), into(row.event.actor.id), into(row.event.actor.address),
         into(at), into(row.event.detail));
    for (bool more = query.execute(true); more; more = query.fetch()) {
      row.event.kind = kinds.of(kind);
      row.event.at = from_micros(at);
      out.push_back(row);
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> Queue::feed(std::vector<Notice> notices, long long cursor) {
  auto work = [notices = std::move(notices), cursor](soci::session& sql) -> Result<> {
    for (const auto& notice : notices) insert(sql, notice);
    sql << "UPDATE notice_cursor SET seq = :seq WHERE id = 1 AND seq < :seq", use(cursor, "seq");
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> Queue::put(Notice notice) {
  auto work = [notice = std::move(notice)](soci::session& sql) -> Result<> {
    insert(sql, notice);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::vector<Notice>>> Queue::due(std::string channel, TimePoint now, int limit) {
  auto work = [channel = std::move(channel), now, limit](soci::session& sql) -> Result<std::vector<Notice>> {
    std::vector<Notice> out;
    Notice row;
    row.channel = channel;
    long long created = 0, next = 0;
    int alone = 0;
    const long long until = to_micros(now);
    soci::statement query =
        (sql.prepare << "SELECT id, mark, kind, payload, tries, alone, created_at, next_at FROM notices "
                        "WHERE channel = :channel AND next_at <= :until ORDER BY next_at, id LIMIT :limit",
         use(channel, "channel"), use(until, "until"), use(limit, "limit"), into(row.id), into(row.mark),
         into(row.kind), into(row.payload), into(row.tries), into(alone), into(created), into(next));
    for (bool more = query.execute(true); more; more = query.fetch()) {
      row.alone = alone != 0;
      row.created_at = from_micros(created);
      row.next_at = from_micros(next);
      out.push_back(row);
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<long long>> Queue::waiting(std::string channel) {
  auto work = [channel = std::move(channel)](soci::session& sql) -> Result<long long> {
    long long count = 0;
    sql << "SELECT COUNT(*) FROM notices WHERE channel = :channel", use(channel, "channel"), into(count);
    return count;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> Queue::done(std::vector<std::string> ids) {
  auto work = [ids = std::move(ids)](soci::session& sql) -> Result<> {
    remove(sql, ids);
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> Queue::again(std::vector<std::string> ids, TimePoint next_at, bool counts, bool alone) {
  auto work = [ids = std::move(ids), next_at, counts, alone](soci::session& sql) -> Result<> {
    const long long next = to_micros(next_at);
    const int more = counts ? 1 : 0, apart = alone ? 1 : 0;
    for (const auto& id : ids) {
      sql << "UPDATE notices SET next_at = :next, tries = tries + :more, alone = :alone WHERE id = :id",
          use(next, "next"), use(more, "more"), use(apart, "alone"), use(id, "id");
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> Queue::give_up(std::vector<std::string> ids, std::vector<bus::Event> told) {
  auto work = [ids = std::move(ids), told = std::move(told)](soci::session& sql) -> Result<> {
    remove(sql, ids);
    for (const auto& event : told) {
      if (auto written = bus::record(sql, event); !written) return written;
    }
    return {};
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::notices
