// Events that a stranger can cause at will: counted by kind, source and minute.
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/gate.h"
#include "base/parallel.h"
#include "bus/event_log.h"
#include "bus/measures.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace tiltyard::bus {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kWindow{1};
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::size_t kMostSources = 200;  ///< per kind and minute
constexpr std::size_t kMostWaiting = 1000;
constexpr std::size_t kMostNames = 5;
constexpr const char* kOtherSources = "others";

/// The address, or the network that one subscriber has in IPv6 (RFC 6177).
std::string source_of(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error || !parsed.is_v6() || parsed.to_v6().is_v4_mapped()) return address;
  auto bytes = parsed.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return asio::ip::address_v6(bytes).to_string() + "/64";
}

/// What came after the first of one kind from one source.
struct Tally {
  Event first;
  TimePoint ends{}, last{};
  std::uint64_t more = 0;
  std::vector<std::string> names;
};

Event summed_up(Tally tally) {
  Event event = std::move(tally.first);
  boost::system::error_code error;
  auto value = json::parse(event.detail.empty() ? "{}" : event.detail, error);
  json::object detail = !error && value.is_object() ? std::move(value.get_object()) : json::object{};
  detail["count"] = tally.more;
  detail["first_at"] = to_rfc3339(event.at);
  detail["last_at"] = to_rfc3339(tally.last);
  json::array names;
  for (auto& name : tally.names) names.emplace_back(name);
  detail["names"] = std::move(names);
  event.detail = json::serialize(detail);
  event.at = tally.last;
  return event;
}

}  // namespace

/// `waiting` and `tallies` are shared by all threads that note; the rest belongs to the home loop.
struct EventLog::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor h, store::Store& s, const Clock& c) : home(std::move(h)), store(s), clock(c) {}

  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
  Gate gate{"event log"};
  Signal news{home};
  metrics::Counter dropped = metrics::counter(measures::kDropped);
  std::mutex mutex;
  std::vector<Event> waiting;
  std::map<std::pair<std::string_view, std::string>, Tally> tallies;  ///< by kind and source
  std::map<std::string_view, std::size_t> sources;                    ///< of each kind, in `tallies`

  void note(Event event);
  bool counted(Event& event);
  void queue(Event event);
  void sum_up(TimePoint now);
  asio::awaitable<void> write_all();
  asio::awaitable<void> loop();
};

/// Whether the event is only counted. With the lock held.
bool EventLog::State::counted(Event& event) {
  if (event.kind->rows != Rows::kCounted) return false;
  const auto kind = event.kind->name;
  auto source = source_of(event.actor.address);
  auto found = tallies.find({kind, source});
  if (found == tallies.end() && sources[kind] >= kMostSources) {
    source = kOtherSources;
    found = tallies.find({kind, source});
    event.actor.address = source;
  }
  if (found == tallies.end()) {
    Tally tally;
    tally.first = event;
    tally.ends = event.at + kWindow;
    tallies.emplace(std::pair(kind, source), std::move(tally));
    ++sources[kind];
    return false;
  }
  auto& tally = found->second;
  ++tally.more;
  tally.last = event.at;
  const auto& name = event.actor.name;
  if (!name.empty() && tally.names.size() < kMostNames && std::ranges::find(tally.names, name) == tally.names.end()) {
    tally.names.push_back(name);
  }
  return true;
}

void EventLog::State::queue(Event event) {
  if (waiting.size() >= kMostWaiting) {
    dropped.add();
    return;
  }
  waiting.push_back(std::move(event));
}

void EventLog::State::note(Event event) {
  if (event.at == TimePoint{}) event.at = clock.now();
  {
    const std::lock_guard lock(mutex);
    if (counted(event)) return;
    queue(std::move(event));
  }
  asio::dispatch(home, [state = shared_from_this()] { state->news.pulse(); });
}

/// Turns the minutes that are over at `now` into rows.
void EventLog::State::sum_up(TimePoint now) {
  const std::lock_guard lock(mutex);
  for (auto at = tallies.begin(); at != tallies.end();) {
    if (at->second.ends > now) {
      ++at;
      continue;
    }
    --sources[at->first.first];
    if (at->second.more > 0) queue(summed_up(std::move(at->second)));
    at = tallies.erase(at);
  }
}

asio::awaitable<void> EventLog::State::write_all() {
  std::vector<Event> events;
  {
    const std::lock_guard lock(mutex);
    events.swap(waiting);
  }
  if (events.empty()) co_return;
  auto work = [events](soci::session& sql) -> Result<> {
    for (const auto& event : events) {
      if (auto written = record(sql, event); !written) return written;
    }
    return {};
  };
  auto written = co_await store.write(std::move(work));
  if (written) co_return;
  log::error("bus", "events could not be recorded",
             {{"events", events.size()}, {"reason", written.error().reason}, {"cause", written.error().cause}});
  dropped.add(static_cast<double>(events.size()));
}

asio::awaitable<void> EventLog::State::loop() {
  while (true) {
    sum_up(clock.now());
    co_await write_all();
    const std::size_t left = [this] {
      const std::lock_guard lock(mutex);
      return waiting.size();
    }();
    if (left == 0) co_await news.wait_for(kLookEvery);
  }
}

EventLog::EventLog(asio::any_io_executor home, store::Store& store, const Clock& clock)
    : state_(std::make_shared<State>(std::move(home), store, clock)) {}

EventLog::~EventLog() = default;

void EventLog::note(Event event) { state_->note(std::move(event)); }

void EventLog::run() { state_->gate.spawn(state_->home, "write events", state_->loop()); }

asio::awaitable<void> EventLog::close() {
  const auto state = state_;
  co_await state->gate.close();
  state->sum_up(TimePoint::max());
  co_await state->write_all();
}

}  // namespace tiltyard::bus
