#include "engine/docker/watcher.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/backoff.h"
#include "base/parallel.h"
#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/facts.h"
#include "engine/reasons.h"
#include "observe/log.h"

namespace tiltyard::engine::docker {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstPause = 100ms, kLongestPause = 2000ms;
constexpr auto kQuiet = std::chrono::minutes{10};  // the event stream is opened anew when nothing came for so long

asio::awaitable<void> wait_on(asio::steady_timer* timer) {
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

/// "1700000000.000000001": what GET /events takes as `since`.
std::string since(std::int64_t nanos) {
  if (nanos == 0) return {};
  const std::string fraction = std::to_string(nanos % 1'000'000'000);
  return std::to_string(nanos / 1'000'000'000) + "." + std::string(9 - fraction.size(), '0') + fraction;
}

}  // namespace

Watcher::Watcher(asio::any_io_executor executor, std::shared_ptr<Connection> connection, std::string filter,
                 std::chrono::milliseconds ping_every, Subscribers::OnEvent tell)
    : executor_(executor),
      connection_(std::move(connection)),
      filter_(std::move(filter)),
      ping_every_(ping_every),
      tell_(std::move(tell)),
      wake_(executor),
      cut_(executor) {}

void Watcher::run() {
  if (running_) return;
  running_ = true;
  connection_->watched_by([this] { wake_.cancel(); });
  cut_.expires_at(asio::steady_timer::time_point::max());
  gate_.spawn(executor_, "engine events", follow());
  gate_.spawn(executor_, "engine pings", keep_pinging());
}

asio::awaitable<void> Watcher::close() {
  co_await gate_.close();
  connection_->watched_by({});
}

asio::awaitable<void> Watcher::wait_for_trouble(std::chrono::milliseconds longest) {
  wake_.expires_after(longest);
  co_await wait_on(&wake_);
}

/// Pings while the engine answers; a dead one is for `follow`, whose stream is cut so that it notices.
asio::awaitable<void> Watcher::keep_pinging() {
  while (!gate_.closing()) {
    co_await wait_for_trouble(ping_every_);
    if (connection_->away()) {
      cut_.cancel();
      if (!std::exchange(lost_, true)) tell_(EngineEvent{Happening::kLost, {}, {}});
      co_await sleep_for(kFirstPause);
      continue;
    }
    const auto alive = co_await connection_->ping();
    if (!alive) cut_.cancel();
  }
}

asio::awaitable<void> Watcher::follow() {
  Growing<std::chrono::milliseconds> pause(kFirstPause, kLongestPause);
  bool again = false;
  while (!gate_.closing()) {
    const auto version = co_await connection_->negotiate();
    if (version) {
      lost_ = false;
      const auto ended = co_await read_events(again);
      // An hour of quiet is no reason to hurry, and no gap either.
      if (ended) continue;
      again = true;
      pause.reset();
      // The stream has ended; whether the engine has as well shows at once.
      const auto alive = co_await connection_->ping();
      if (alive) continue;
    }
    co_await sleep_for(pause.next());
    again = true;
  }
}

/// Success: nothing came for long, and the stream may be opened anew. `again`: there was a gap before this one.
asio::awaitable<Result<>> Watcher::read_events(bool again) {
  using namespace asio::experimental::awaitable_operators;
  const std::string path = with_query("/events", {{"filters", filter_}, {"since", since(seen_nanos_)}});
  auto stream = co_await connection_->open("GET", path, {}, {}, 15s);
  if (!stream) co_return fail(std::move(stream.error()));
  if ((*stream)->head().status != 200) {
    co_return fail(Code::kUnavailable, reason::kAway, "The engine gives no events.",
                   std::to_string((*stream)->head().status));
  }
  // After the stream is open, so that nothing that happens from now on is missed.
  if (again) tell_(EngineEvent{Happening::kReconnected, {}, {}});
  std::string pending;
  while (true) {
    cut_.expires_at(asio::steady_timer::time_point::max());
    auto outcome = co_await ((*stream)->read(kQuiet) || wait_on(&cut_));
    if (outcome.index() == 1) co_return fail(Code::kUnavailable, reason::kAway, "The engine does not answer.");
    auto bytes = std::get<0>(std::move(outcome));
    if (!bytes && bytes.error().reason == http::reason::kTimeout) co_return Result<>{};
    if (!bytes || bytes->empty()) co_return fail(Code::kUnavailable, reason::kAway, "The event stream has ended.");
    pending += *bytes;
    for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      take_line(std::string_view(pending).substr(0, end));
      pending.erase(0, end + 1);
    }
  }
}

void Watcher::take_line(std::string_view line) {
  boost::system::error_code failed;
  const boost::json::value value = boost::json::parse(boost::json::string_view(line.data(), line.size()), failed);
  if (failed) return;
  // A stream that was opened anew begins with what was told last.
  const std::int64_t time = number_of(value, "timeNano");
  if (time <= seen_nanos_) return;
  seen_nanos_ = time;
  if (const auto event = engine_event(value)) tell_(*event);
}

}  // namespace tiltyard::engine::docker
