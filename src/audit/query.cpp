#include "audit/query.h"

#include <fmt/format.h>
#include <soci/soci.h>

#include <algorithm>

#include "base/text.h"

namespace tiltyard::audit {
namespace {

using soci::into;
using soci::use;

constexpr int kFirstLook = 1000;  ///< rows; each further look is twice as far

struct Sequence {
  long long last = 0, disorder = 0;
};

Sequence sequence_of(soci::session& sql) {
  Sequence out;
  sql << "SELECT last, disorder FROM event_sequence WHERE id = 1", into(out.last), into(out.disorder);
  return out;
}

/// The half-open range of sequence numbers that is searched.
struct Range {
  long long above = 0, below = 0;
};

/// Events lie nearly in the order of their time: none lies further behind an earlier one than `disorder`. So the first
/// event that is that much too late, and the last that is that much too early, bound what must be looked at.
void narrow_by_time(soci::session& sql, const Filter& filter, long long disorder, Range& range) {
  long long seq = 0;
  if (filter.to) {
    const long long late = to_micros(*filter.to) + disorder;
    sql << "SELECT seq FROM events WHERE at > :late ORDER BY at, seq LIMIT 1", use(late, "late"), into(seq);
    if (sql.got_data()) range.below = std::min(range.below, seq);
  }
  if (filter.from) {
    const long long early = to_micros(*filter.from) - disorder;
    sql << "SELECT seq FROM events WHERE at < :early ORDER BY at DESC, seq DESC LIMIT 1", use(early, "early"),
        into(seq);
    if (sql.got_data()) range.above = std::max(range.above, seq);
  }
}

/// Names of declared kinds only: they need no quoting.
std::string quoted(const std::vector<std::string_view>& kinds) {
  std::string out;
  for (const auto kind : kinds) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", kind);
  return out;
}

std::string like_pattern(const std::string& text) {
  std::string out = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') out += '\\';
    out += lower(c);
  }
  return out + "%";
}

/// The statement's conditions: one that an index answers together with the sequence, and the rest.
struct Conditions {
  std::string driver = "1 = 1";
  std::string rest;
  bool user_driven = false, owner_driven = false, subject_driven = false;
  std::string user, owner, subject, pattern;
  long long from = 0, to = 0;
  bool has_from = false, has_to = false;

  bool exact() const { return rest.empty(); }
};

/// A person is asked for by id or by the name that they had.
std::string user_column(soci::session& sql, const std::string& user) {
  int one = 0;
  sql << "SELECT 1 FROM events WHERE actor_id = :user LIMIT 1", use(user, "user"), into(one);
  return sql.got_data() ? "actor_id" : "actor";
}

Conditions conditions_of(soci::session& sql, const Filter& filter) {
  Conditions out;
  std::vector<std::string> rest;
  bool driven = false;
  const auto equal = [&](const std::string& column, const std::string& name, bool& bound) {
    bound = true;
    auto condition = fmt::format("{} = :{}", column, name);
    if (driven) {
      rest.push_back(std::move(condition));
    } else {
      out.driver = std::move(condition);
      driven = true;
    }
  };
  if (!filter.subject.empty()) equal("subject", "subject", out.subject_driven);
  if (!filter.user.empty()) equal(user_column(sql, filter.user), "user", out.user_driven);
  if (!filter.owner.empty()) equal("owner", "owner", out.owner_driven);
  out.subject = filter.subject;
  out.user = filter.user;
  out.owner = filter.owner;
  if (filter.kinds.size() == 1 && !driven) {
    out.driver = fmt::format("kind = {}", quoted(filter.kinds));
  } else if (!filter.kinds.empty()) {
    rest.push_back(fmt::format("kind IN ({})", quoted(filter.kinds)));
  } else if (!filter.hidden.empty()) {
    rest.push_back(fmt::format("kind NOT IN ({})", quoted(filter.hidden)));
  }
  // A sum, so that no index on the time is chosen: the range of sequence numbers is already narrow.
  if (filter.from) rest.emplace_back("at + 0 >= :from");
  if (filter.to) rest.emplace_back("at + 0 < :to");
  out.has_from = filter.from.has_value();
  out.has_to = filter.to.has_value();
  if (filter.from) out.from = to_micros(*filter.from);
  if (filter.to) out.to = to_micros(*filter.to);
  if (!filter.text.empty()) {
    rest.emplace_back(
        "lower(kind || ' ' || subject || ' ' || owner || ' ' || actor || ' ' || actor_id || ' ' || address || ' ' || "
        "detail) "
        "LIKE :pattern ESCAPE '\\'");
    out.pattern = like_pattern(filter.text);
  }
  for (const auto& condition : rest) out.rest += " AND " + condition;
  return out;
}

/// The `count`-th row of the driver from one end of the range: where the next look ends. nullopt: there are fewer.
std::optional<long long> reach(soci::session& sql, const Conditions& conditions, const Range& range, Order order,
                               int count) {
  long long seq = 0;
  const long long skip = count - 1;
  soci::statement query(sql);
  query.exchange(into(seq));
  if (conditions.subject_driven && conditions.driver.contains(":subject"))
    query.exchange(use(conditions.subject, "subject"));
  if (conditions.user_driven && conditions.driver.contains(":user")) query.exchange(use(conditions.user, "user"));
  if (conditions.owner_driven && conditions.driver.contains(":owner")) query.exchange(use(conditions.owner, "owner"));
  query.exchange(use(range.above, "above"));
  query.exchange(use(range.below, "below"));
  query.exchange(use(skip, "skip"));
  query.alloc();
  query.prepare(fmt::format(
      "SELECT seq FROM events WHERE {} AND seq > :above AND seq < :below ORDER BY seq {} LIMIT 1 OFFSET :skip",
      conditions.driver, order == Order::kNewestFirst ? "DESC" : "ASC"));
  query.define_and_bind();
  return query.execute(true) ? std::optional(seq) : std::nullopt;
}

void select(soci::session& sql, const Conditions& conditions, const Range& range, Order order, int limit,
            std::vector<Row>& out) {
  Row row;
  long long at = 0;
  const long long most = limit;
  soci::statement query(sql);
  query.exchange(into(row.seq));
  query.exchange(into(row.kind));
  query.exchange(into(row.subject));
  query.exchange(into(row.owner));
  query.exchange(into(row.actor));
  query.exchange(into(row.actor_id));
  query.exchange(into(row.address));
  query.exchange(into(at));
  query.exchange(into(row.detail));
  if (conditions.subject_driven) query.exchange(use(conditions.subject, "subject"));
  if (conditions.user_driven) query.exchange(use(conditions.user, "user"));
  if (conditions.owner_driven) query.exchange(use(conditions.owner, "owner"));
  if (conditions.has_from) query.exchange(use(conditions.from, "from"));
  if (conditions.has_to) query.exchange(use(conditions.to, "to"));
  if (!conditions.pattern.empty()) query.exchange(use(conditions.pattern, "pattern"));
  query.exchange(use(range.above, "above"));
  query.exchange(use(range.below, "below"));
  query.exchange(use(most, "most"));
  query.alloc();
  query.prepare(
      fmt::format("SELECT seq, kind, subject, owner, actor, actor_id, address, at, detail FROM events "
                  "WHERE {} AND seq > :above AND seq < :below{} ORDER BY seq {} LIMIT :most",
                  conditions.driver, conditions.rest, order == Order::kNewestFirst ? "DESC" : "ASC"));
  query.define_and_bind();
  for (bool more = query.execute(true); more; more = query.fetch()) {
    row.at = from_micros(at);
    out.push_back(row);
  }
}

std::optional<TimePoint> time_of(soci::session& sql, long long seq) {
  long long at = 0;
  sql << "SELECT at FROM events WHERE seq = :seq", use(seq, "seq"), into(at);
  return sql.got_data() ? std::optional(from_micros(at)) : std::nullopt;
}

}  // namespace

Result<Page> read_page(soci::session& sql, const Filter& filter, const PageRequest& request) {
  Page page;
  const auto sequence = sequence_of(sql);
  page.last = sequence.last;
  Range range{request.above, request.below == 0 ? sequence.last + 1 : std::min(request.below, sequence.last + 1)};
  narrow_by_time(sql, filter, sequence.disorder, range);
  const auto conditions = conditions_of(sql, filter);
  const bool newest_first = request.order == Order::kNewestFirst;
  const auto limit = static_cast<std::size_t>(request.limit);
  int looked = 0;
  int step = conditions.exact() ? request.look_at_most : std::max(kFirstLook, request.limit);
  while (true) {
    step = std::min(step, request.look_at_most - looked);
    // Where there is nothing to check, the page's limit is the bound.
    const auto end = conditions.exact() ? std::nullopt : reach(sql, conditions, range, request.order, step);
    Range look = range;
    if (end && newest_first) look.above = *end - 1;
    if (end && !newest_first) look.below = *end + 1;
    select(sql, conditions, look, request.order, static_cast<int>(limit - page.rows.size()), page.rows);
    if (page.rows.size() == limit) {
      page.next = page.rows.back().seq;
      return page;
    }
    if (!end) return page;
    looked += step;
    step *= 2;
    (newest_first ? range.below : range.above) = *end;
    if (looked >= request.look_at_most) {
      page.next = end;
      page.looked_until = time_of(sql, *end);
      return page;
    }
  }
}

}  // namespace tiltyard::audit
