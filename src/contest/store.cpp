#include "contest/store.h"

#include <soci/soci.h>

#include <boost/json.hpp>

#include "base/json.h"
#include "bus/event_log.h"
#include "contest/sql.h"
#include "store/news.h"

namespace tiltyard::contest {

namespace json = boost::json;
using soci::into;
using soci::use;

std::vector<store::Migration> migrations() {
  return {{"contests",
           "CREATE TABLE contests (id TEXT PRIMARY KEY, title TEXT NOT NULL, detail TEXT NOT NULL);\n"
           "CREATE TABLE contest_marks (seq BIGINT PRIMARY KEY, contest TEXT NOT NULL, kind TEXT NOT NULL, "
           "owner TEXT NOT NULL, user_id TEXT NOT NULL, challenge TEXT NOT NULL, name TEXT NOT NULL, "
           "points BIGINT NOT NULL, at BIGINT NOT NULL, note TEXT NOT NULL);\n"
           "CREATE UNIQUE INDEX contest_marks_once ON contest_marks (contest, owner, kind, challenge, name);\n"
           "CREATE TABLE contest_parts (contest TEXT NOT NULL, challenge TEXT NOT NULL, owner TEXT NOT NULL, "
           "part TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (contest, challenge, owner, part));\n"
           "CREATE TABLE contest_submissions (id BIGINT PRIMARY KEY, contest TEXT NOT NULL, challenge TEXT NOT NULL, "
           "owner TEXT NOT NULL, user_id TEXT NOT NULL, result TEXT NOT NULL, text TEXT NOT NULL, hash TEXT NOT NULL, "
           "address TEXT NOT NULL, at BIGINT NOT NULL);\n"
           "CREATE INDEX contest_submissions_of ON contest_submissions (contest, challenge, owner, result);\n"
           "CREATE TABLE contest_shared (hash TEXT PRIMARY KEY, contest TEXT NOT NULL, challenge TEXT NOT NULL, "
           "owner TEXT NOT NULL, user_id TEXT NOT NULL, flag_owner TEXT NOT NULL, address TEXT NOT NULL, "
           "times BIGINT NOT NULL, first_at BIGINT NOT NULL, last_at BIGINT NOT NULL, verdict TEXT NOT NULL, "
           "verdict_by TEXT NOT NULL, verdict_at BIGINT NOT NULL, note TEXT NOT NULL);\n"
           "CREATE INDEX contest_shared_of ON contest_shared (contest, last_at);\n"
           "CREATE TABLE contest_standings (contest TEXT NOT NULL, owner TEXT NOT NULL, division TEXT NOT NULL, "
           "state TEXT NOT NULL, PRIMARY KEY (contest, owner))"}};
}

namespace sql {
namespace {

json::value time_json(const std::optional<TimePoint>& time) {
  return time ? json::value(to_micros(*time)) : json::value(nullptr);
}

std::optional<TimePoint> time_in(const json::value& from, std::string_view name) {
  const auto& value = member(from, name);
  return value.is_null() ? std::nullopt : std::optional(from_micros(number_of(value)));
}

}  // namespace

std::string_view kind_text(Mark::Kind kind) {
  switch (kind) {
    case Mark::Kind::kSolve:
      return "solve";
    case Mark::Kind::kHint:
      return "hint";
    case Mark::Kind::kAward:
      return "award";
  }
  return "solve";
}

std::int64_t next(soci::session& sql, const char* column, const char* table) {
  long long last = 0;
  sql << "SELECT coalesce(max(" << column << "), 0) FROM " << table, into(last);
  return last + 1;
}

void insert(soci::session& sql, Mark& mark) {
  mark.seq = next(sql, "seq", "contest_marks");
  const std::string kind(kind_text(mark.kind));
  const long long seq = mark.seq, points = mark.points, at = to_micros(mark.at);
  sql << "INSERT INTO contest_marks (seq, contest, kind, owner, user_id, challenge, name, points, at, note) VALUES "
         "(:seq, :contest, :kind, :owner, :user, :challenge, :name, :points, :at, :note)",
      use(seq), use(mark.contest), use(kind), use(mark.owner), use(mark.user), use(mark.challenge), use(mark.name),
      use(points), use(at), use(mark.note);
  store::notify(sql, kChannel, mark.contest);
}

void leave_hole(soci::session& sql, TimePoint now) {
  Mark hole;
  hole.kind = Mark::Kind::kAward;
  hole.name = std::to_string(next(sql, "seq", "contest_marks"));
  hole.at = now;
  insert(sql, hole);
}

bool is_there(soci::session& sql, const Mark& mark) {
  const std::string kind(kind_text(mark.kind));
  int one = 0;
  sql << "SELECT 1 FROM contest_marks WHERE contest = :contest AND owner = :owner AND kind = :kind AND "
         "challenge = :challenge AND name = :name",
      use(mark.contest), use(mark.owner), use(kind), use(mark.challenge), use(mark.name), into(one);
  return sql.got_data();
}

std::string detail_of(const Contest& contest) {
  json::array challenges, divisions, bloods;
  for (const auto& one : contest.challenges) challenges.emplace_back(one);
  for (const auto& one : contest.divisions) divisions.emplace_back(one);
  for (const auto one : contest.bloods) bloods.emplace_back(one);
  return json::serialize(json::object{{"about", contest.about},
                                      {"starts_at", time_json(contest.starts_at)},
                                      {"ends_at", time_json(contest.ends_at)},
                                      {"freeze_at", time_json(contest.freeze_at)},
                                      {"thawed", contest.thawed},
                                      {"challenges", std::move(challenges)},
                                      {"divisions", std::move(divisions)},
                                      {"bloods", std::move(bloods)},
                                      {"feed", contest.feed}});
}

Contest contest_of(std::string id, std::string title, const std::string& detail) {
  boost::system::error_code failed;
  const auto from = json::parse(detail, failed);
  Contest out;
  out.id = std::move(id);
  out.title = std::move(title);
  out.about = text_of(from, "about");
  out.starts_at = time_in(from, "starts_at");
  out.ends_at = time_in(from, "ends_at");
  out.freeze_at = time_in(from, "freeze_at");
  out.thawed = flag_of(from, "thawed");
  out.challenges = texts_of(from, "challenges");
  out.divisions = texts_of(from, "divisions");
  if (const auto* bloods = member(from, "bloods").if_array()) {
    for (std::size_t i = 0; i < out.bloods.size() && i < bloods->size(); ++i)
      out.bloods[i] = static_cast<int>(number_of((*bloods)[i]));
  }
  out.feed = text_of(from, "feed");
  return out;
}

}  // namespace sql

asio::awaitable<Result<std::vector<Contest>>> ContestStore::contests() {
  auto work = [](soci::session& sql) -> Result<std::vector<Contest>> {
    std::vector<Contest> out;
    const soci::rowset<soci::row> rows = (sql.prepare << "SELECT id, title, detail FROM contests ORDER BY id");
    for (const auto& row : rows)
      out.push_back(sql::contest_of(row.get<std::string>(0), row.get<std::string>(1), row.get<std::string>(2)));
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> ContestStore::put(Contest contest, bus::Event event) {
  auto work = [contest, event](soci::session& sql) -> Result<> {
    const auto detail = sql::detail_of(contest);
    sql << "DELETE FROM contests WHERE id = :id", use(contest.id);
    sql << "INSERT INTO contests (id, title, detail) VALUES (:id, :title, :detail)", use(contest.id),
        use(contest.title), use(detail);
    store::notify(sql, kChannel, "*");
    return bus::record(sql, event);
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> ContestStore::remove(std::string contest, bus::Event event) {
  auto work = [contest, event](soci::session& sql) -> Result<> {
    sql << "DELETE FROM contests WHERE id = :id", use(contest);
    sql::leave_hole(sql, event.at);
    for (const char* table :
         {"contest_marks", "contest_parts", "contest_submissions", "contest_shared", "contest_standings"})
      sql << "DELETE FROM " << table << " WHERE contest = :contest", use(contest);
    store::notify(sql, kChannel, "*");
    return bus::record(sql, event);
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::optional<Mark>>> ContestStore::add(Mark mark, std::optional<bus::Event> event) {
  auto work = [mark, event](soci::session& sql) -> Result<std::optional<Mark>> {
    if (sql::is_there(sql, mark)) return std::nullopt;
    Mark added = mark;
    sql::insert(sql, added);
    if (event) {
      if (auto noted = bus::record(sql, *event); !noted) return fail(std::move(noted.error()));
    }
    return added;
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<>> ContestStore::take_back(std::string contest, std::int64_t seq, bus::Event event) {
  auto work = [contest, seq = static_cast<long long>(seq), event](soci::session& sql) -> Result<> {
    sql::leave_hole(sql, event.at);
    soci::statement gone =
        (sql.prepare << "DELETE FROM contest_marks WHERE seq = :seq AND contest = :contest", use(seq), use(contest));
    gone.execute(true);
    if (gone.get_affected_rows() == 0) return fail(Code::kNotFound, "mark-unknown", "There is no such entry.");
    store::notify(sql, kChannel, "*");
    return bus::record(sql, event);
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::vector<Mark>>> ContestStore::marks(std::string contest, std::int64_t after) {
  auto work = [contest, after = static_cast<long long>(after)](soci::session& sql) -> Result<std::vector<Mark>> {
    std::vector<Mark> out;
    // Into variables: a row that tells its types by itself has 32 bits for SQLite's own kind of key.
    long long seq = 0, points = 0, at = 0;
    std::string kind;
    Mark mark;
    soci::statement query =
        (sql.prepare
             << "SELECT seq, contest, kind, owner, user_id, challenge, name, points, at, note FROM contest_marks "
                "WHERE seq > :after AND (contest = :contest OR cast(:any AS text) = '') ORDER BY seq",
         use(after, "after"), use(contest, "contest"), use(contest, "any"), into(seq), into(mark.contest), into(kind),
         into(mark.owner), into(mark.user), into(mark.challenge), into(mark.name), into(points), into(at),
         into(mark.note));
    for (bool more = query.execute(true); more; more = query.fetch()) {
      mark.seq = seq;
      mark.kind = kind == "hint" ? Mark::Kind::kHint : kind == "award" ? Mark::Kind::kAward : Mark::Kind::kSolve;
      mark.points = points;
      mark.at = from_micros(at);
      out.push_back(mark);
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::map<std::string, std::map<std::string, Standing>>>> ContestStore::standings() {
  using All = std::map<std::string, std::map<std::string, Standing>>;
  auto work = [](soci::session& sql) -> Result<All> {
    All out;
    const soci::rowset<soci::row> rows =
        (sql.prepare << "SELECT contest, owner, division, state FROM contest_standings");
    for (const auto& row : rows) {
      Standing standing{row.get<std::string>(2),
                        standing_named(row.get<std::string>(3)).value_or(Standing::State::kHidden)};
      out[row.get<std::string>(0)][row.get<std::string>(1)] = std::move(standing);
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> ContestStore::put_standing(std::string contest, std::string owner, Standing standing,
                                                     bus::Event event) {
  auto work = [contest, owner, standing, event](soci::session& sql) -> Result<> {
    const std::string state(to_string(standing.state));
    sql << "DELETE FROM contest_standings WHERE contest = :contest AND owner = :owner", use(contest), use(owner);
    sql << "INSERT INTO contest_standings (contest, owner, division, state) VALUES (:contest, :owner, :division, "
           ":state)",
        use(contest), use(owner), use(standing.division), use(state);
    store::notify(sql, kChannel, "*");
    return bus::record(sql, event);
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::contest
