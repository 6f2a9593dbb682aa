// What was handed in.
#include <soci/soci.h>

#include "base/base64url.h"
#include "base/text.h"
#include "bus/event_log.h"
#include "contest/sql.h"
#include "contest/store.h"

namespace tiltyard::contest {
namespace {

using soci::into;
using soci::use;
using R = Submission::Result;

std::int64_t count_wrong(soci::session& sql, const std::string& contest, const std::string& challenge,
                         const std::string& owner) {
  long long wrong = 0;
  sql << "SELECT count(*) FROM contest_submissions WHERE contest = :contest AND challenge = :challenge AND "
         "owner = :owner AND result IN ('wrong', 'foreign')",
      use(contest), use(challenge), use(owner), into(wrong);
  return wrong;
}

void keep(soci::session& sql, const Entry& entry, R result) {
  const auto& one = entry.submission;
  const std::string word(to_string(result));
  const long long id = sql::next(sql, "id", "contest_submissions"), at = to_micros(one.at);
  sql << "INSERT INTO contest_submissions (id, contest, challenge, owner, user_id, result, text, hash, address, at) "
         "VALUES (:id, :contest, :challenge, :owner, :user, :result, :text, :hash, :address, :at)",
      use(id), use(one.contest), use(one.challenge), use(one.owner), use(one.user), use(word), use(one.text),
      use(entry.hash), use(one.address), use(at);
}

/// Row 5.4: once for each submitter, owner and flag.
Result<> keep_shared(soci::session& sql, const Entry& entry) {
  const auto& one = entry.submission;
  const auto hash = hex(sha256(one.owner + '\n' + entry.flag_owner + '\n' + entry.hash));
  const long long at = to_micros(one.at);
  soci::statement again =
      (sql.prepare << "UPDATE contest_shared SET times = times + 1, last_at = :at WHERE hash = :hash", use(at),
       use(hash));
  again.execute(true);
  if (again.get_affected_rows() > 0) return {};
  const std::string none;
  sql << "INSERT INTO contest_shared (hash, contest, challenge, owner, user_id, flag_owner, address, times, first_at, "
         "last_at, verdict, verdict_by, verdict_at, note) VALUES (:hash, :contest, :challenge, :owner, :user, "
         ":flag_owner, :address, 1, :first, :last, :verdict, :by, 0, :note)",
      use(hash), use(one.contest), use(one.challenge), use(one.owner), use(one.user), use(entry.flag_owner),
      use(one.address), use(at), use(at), use(none), use(none), use(none);
  return entry.shared ? bus::record(sql, *entry.shared) : Result<>{};
}

std::size_t keep_part(soci::session& sql, const Entry& entry) {
  const auto& one = entry.submission;
  const auto part = entry.by_member ? one.user : std::to_string(entry.flag);
  const long long at = to_micros(one.at);
  int there = 0;
  sql << "SELECT 1 FROM contest_parts WHERE contest = :contest AND challenge = :challenge AND owner = :owner AND "
         "part = :part",
      use(one.contest), use(one.challenge), use(one.owner), use(part), into(there);
  if (!sql.got_data()) {
    sql << "INSERT INTO contest_parts (contest, challenge, owner, part, at) VALUES (:contest, :challenge, :owner, "
           ":part, :at)",
        use(one.contest), use(one.challenge), use(one.owner), use(part), use(at);
  }
  long long found = 0;
  sql << "SELECT count(*) FROM contest_parts WHERE contest = :contest AND challenge = :challenge AND owner = :owner",
      use(one.contest), use(one.challenge), use(one.owner), into(found);
  return static_cast<std::size_t>(found);
}

Shared shared_of(const soci::row& row) {
  Shared out;
  out.hash = row.get<std::string>(0);
  out.contest = row.get<std::string>(1);
  out.challenge = row.get<std::string>(2);
  out.owner = row.get<std::string>(3);
  out.user = row.get<std::string>(4);
  out.flag_owner = row.get<std::string>(5);
  out.address = row.get<std::string>(6);
  out.times = row.get<long long>(7);
  out.first = from_micros(row.get<long long>(8));
  out.last = from_micros(row.get<long long>(9));
  out.verdict = row.get<std::string>(10);
  out.verdict_by = row.get<std::string>(11);
  if (const auto at = row.get<long long>(12); at > 0) out.verdict_at = from_micros(at);
  out.note = row.get<std::string>(13);
  return out;
}

const std::string kShared =
    "SELECT hash, contest, challenge, owner, user_id, flag_owner, address, times, first_at, last_at, verdict, "
    "verdict_by, verdict_at, note FROM contest_shared ";

}  // namespace

asio::awaitable<Result<Outcome>> ContestStore::hand_in(Entry entry) {
  auto work = [entry = std::move(entry)](soci::session& sql) -> Result<Outcome> {
    const auto& one = entry.submission;
    Outcome out;
    Mark solve{.contest = one.contest, .owner = one.owner, .user = one.user, .challenge = one.challenge, .at = one.at};
    const bool solved = sql::is_there(sql, solve);
    if (!solved && entry.attempts > 0) {
      const auto wrong = count_wrong(sql, one.contest, one.challenge, one.owner);
      if (wrong >= entry.attempts) {
        return fail(Code::kConflict, "attempts-used-up",
                    "All attempts at this challenge have been used; the organisers can give more.");
      }
      out.attempts_left = entry.attempts - wrong - (one.result == R::kCorrect ? 0 : 1);
    }
    if (one.result == R::kForeign) {
      if (auto kept = keep_shared(sql, entry); !kept) return fail(std::move(kept.error()));
    }
    out.result = solved ? R::kAlready : one.result;
    if (!solved && one.result == R::kCorrect && entry.wanted > 1) {
      out.found = keep_part(sql, entry);
      if (out.found < entry.wanted) out.result = R::kPart;
    }
    // A foreign flag is written down as what it is, also by one who has solved it.
    keep(sql, entry, one.result == R::kForeign ? R::kForeign : out.result);
    if (out.result == R::kCorrect) {
      sql::insert(sql, solve);
      if (entry.solved) {
        if (auto noted = bus::record(sql, *entry.solved); !noted) return fail(std::move(noted.error()));
      }
      out.mark = std::move(solve);
    }
    return out;
  };
  co_return co_await store_.write(std::move(work));
}

asio::awaitable<Result<std::int64_t>> ContestStore::wrong_ones(std::string contest, std::string challenge,
                                                               std::string owner) {
  auto work = [contest, challenge, owner](soci::session& sql) -> Result<std::int64_t> {
    return count_wrong(sql, contest, challenge, owner);
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<Submission>>> ContestStore::submissions(SubmissionQuery query) {
  auto work = [query](soci::session& sql) -> Result<std::vector<Submission>> {
    std::vector<Submission> out;
    const long long before = query.before;
    long long id = 0, at = 0;
    std::string word;
    Submission one;
    soci::statement statement =
        (sql.prepare << "SELECT id, contest, challenge, owner, user_id, result, text, address, at FROM "
                        "contest_submissions WHERE (id < :before OR cast(:newest AS bigint) = 0) AND (contest = "
                        ":contest OR cast(:c AS text) = '') AND (challenge = :challenge OR cast(:ch AS text) = '') AND "
                        "(owner = :owner OR cast(:o AS text) = '') AND (result = :result OR cast(:r AS text) = '') "
                        "ORDER BY id DESC LIMIT :most",
         use(before, "before"), use(before, "newest"), use(query.contest, "contest"), use(query.contest, "c"),
         use(query.challenge, "challenge"), use(query.challenge, "ch"), use(query.owner, "owner"),
         use(query.owner, "o"), use(query.result, "result"), use(query.result, "r"), use(query.limit, "most"), into(id),
         into(one.contest), into(one.challenge), into(one.owner), into(one.user), into(word), into(one.text),
         into(one.address), into(at));
    for (bool more = statement.execute(true); more; more = statement.fetch()) {
      one.id = id;
      for (const auto result : {R::kCorrect, R::kPart, R::kWrong, R::kForeign, R::kAlready}) {
        if (to_string(result) == word) one.result = result;
      }
      one.at = from_micros(at);
      out.push_back(one);
    }
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::vector<Shared>>> ContestStore::shared(std::string contest) {
  auto work = [contest](soci::session& sql) -> Result<std::vector<Shared>> {
    std::vector<Shared> out;
    const soci::rowset<soci::row> rows =
        (sql.prepare << kShared + "WHERE contest = :contest ORDER BY last_at DESC, hash LIMIT 500", use(contest));
    for (const auto& row : rows) out.push_back(shared_of(row));
    return out;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<std::optional<Shared>>> ContestStore::find_shared(std::string hash) {
  auto work = [hash](soci::session& sql) -> Result<std::optional<Shared>> {
    const soci::rowset<soci::row> rows = (sql.prepare << kShared + "WHERE hash = :hash", use(hash));
    for (const auto& row : rows) return shared_of(row);
    return std::nullopt;
  };
  co_return co_await store_.read(std::move(work));
}

asio::awaitable<Result<>> ContestStore::judge(Shared shared, bus::Event event) {
  auto work = [shared, event](soci::session& sql) -> Result<> {
    const long long at = shared.verdict_at ? to_micros(*shared.verdict_at) : 0;
    sql << "UPDATE contest_shared SET verdict = :verdict, verdict_by = :by, verdict_at = :at, note = :note WHERE hash "
           "= "
           ":hash",
        use(shared.verdict), use(shared.verdict_by), use(at), use(shared.note), use(shared.hash);
    return bus::record(sql, event);
  };
  co_return co_await store_.write(std::move(work));
}

}  // namespace tiltyard::contest
