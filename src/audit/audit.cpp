#include "audit/audit.h"

#include <soci/soci.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "audit/events.h"
#include "audit/state.h"
#include "base/parallel.h"
#include "bus/event_log.h"

namespace tiltyard::audit {
namespace {

constexpr const char* kRetention = "events.retention";
constexpr std::chrono::seconds kAfterStart{5};
constexpr std::chrono::hours kEvery{1};
/// A batch holds the writer for a few milliseconds; the pause lets the others in.
constexpr int kBatch = 500;
constexpr std::chrono::milliseconds kPause{50};

/// Deletes a batch of the oldest events before `limit`; how many it was.
Result<std::size_t> remove_batch(soci::session& sql, TimePoint limit) {
  const long long before = to_micros(limit);
  soci::statement query =
      (sql.prepare
           << "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < :before ORDER BY at, seq LIMIT " +
                  std::to_string(kBatch) + ")",
       soci::use(before, "before"));
  query.execute(true);
  return static_cast<std::size_t>(query.get_affected_rows());
}

}  // namespace

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(options, parts)) {
  state_->declare_jobs();
}

Service::~Service() = default;

void Service::add_routes(house::Routes& routes) { add_event_routes(state_, routes); }

void Service::State::declare_jobs() {
  jobs::Kind kind;
  kind.name = kRetention;
  kind.about = "Removes events that are older than events.keep_days.";
  kind.timeout = std::chrono::hours{1};
  kind.at_once = 1;
  kind.handler = [this](jobs::Firing) { return remove_old(); };
  parts.jobs.declare(std::move(kind));
  parts.jobs.declare(jobs::Service::Recurring{
      kRetention, "hourly", {}, *jobs::Schedule::every(kEvery), jobs::Keep::kDisk, kAfterStart});
}

/// In small transactions with pauses between, so that others can write meanwhile.
asio::awaitable<Result<jobs::Next>> Service::State::remove_old() {
  const auto limit = parts.clock.now() - std::chrono::hours{24} * options.keep_days;
  std::size_t sum = 0;
  while (true) {
    auto work = [limit](soci::session& sql) { return remove_batch(sql, limit); };
    auto removed = co_await parts.store.write(std::move(work));
    if (!removed) co_return fail(std::move(removed.error()));
    sum += *removed;
    if (*removed < kBatch) break;
    co_await sleep_for(kPause);
  }
  if (sum == 0) co_return jobs::Next::done();
  bus::Event event;
  event.kind = events::kRemoved;
  event.at = parts.clock.now();
  event.detail = boost::json::serialize(boost::json::object{{"count", sum}, {"before", to_rfc3339(limit)}});
  auto noted = co_await bus::record(parts.store, std::move(event));
  if (!noted) co_return fail(std::move(noted.error()));
  co_return jobs::Next::done();
}

}  // namespace tiltyard::audit
