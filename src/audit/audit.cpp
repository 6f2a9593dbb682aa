#include "audit/audit.h"

#include <soci/soci.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "audit/state.h"
#include "base/parallel.h"
#include "bus/event_log.h"
#include "observe/log.h"

namespace tiltyard::audit {
namespace {

constexpr std::chrono::seconds kFirstLook{5};
constexpr std::chrono::hours kLookEvery{1};
/// A batch holds the writer for a few milliseconds; the pause lets the others in.
constexpr int kBatch = 500;
constexpr std::chrono::milliseconds kPause{50};

/// Deletes a batch of the oldest events before `limit`; how many it was.
Result<std::size_t> remove_batch(soci::session& sql, TimePoint limit) {
  const long long before = to_micros(limit);
  soci::statement query = (sql.prepare << "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < :before ORDER BY at, seq LIMIT " +
                                              std::to_string(kBatch) + ")",
                           soci::use(before, "before"));
  query.execute(true);
  return static_cast<std::size_t>(query.get_affected_rows());
}

}  // namespace

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(options, std::move(parts))) {}

Service::~Service() = default;

void Service::add_routes(http::Router& router) { add_event_routes(state_, router); }

void Service::run() { state_->gate.spawn(state_->parts.home, "remove old events", state_->retention_loop()); }

asio::awaitable<void> Service::close() {
  const auto state = state_;
  co_await state->gate.close();
}

asio::awaitable<Result<std::size_t>> Service::remove_old() {
  const auto state = state_;
  co_return co_await state->remove_old();
}

asio::awaitable<void> Service::State::retention_loop() {
  co_await sleep_for(kFirstLook);
  while (true) {
    auto removed = co_await remove_old();
    if (!removed) log::warn("audit", "old events could not be removed", {{"reason", removed.error().reason}, {"cause", removed.error().cause}});
    co_await sleep_for(kLookEvery);
  }
}

asio::awaitable<Result<std::size_t>> Service::State::remove_old() {
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
  if (sum == 0) co_return sum;
  bus::Event event;
  event.kind = bus::kind("events.removed");
  event.at = parts.clock.now();
  event.detail = boost::json::serialize(boost::json::object{{"count", sum}, {"before", to_rfc3339(limit)}});
  auto noted = co_await bus::record(parts.store, std::move(event));
  if (!noted) co_return fail(std::move(noted.error()));
  co_return sum;
}

}  // namespace tiltyard::audit
