#include "gateway/report.h"

#include <mutex>
#include <string>

#include "gateway/measures.h"
#include "gateway/shard.h"
#include "observe/metrics.h"

namespace tiltyard::gateway {

namespace {

constexpr std::array<const char*, 3> kHandshakes{"full", "resumed", "failed"};
/// In the order of DropReason.
constexpr std::array<const char*, kDropReasons> kDropWords{"not-theirs", "full",       "too-many-new", "asleep",
                                                           "unproven",   "over-limit", "not-taken"};
constexpr std::array<const char*, 6> kClasses{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

/// The metrics count up only, so each exposition adds what came since the one before.
class Reporter {
 public:
  Reporter() {
    for (const auto* name : kClasses) { requests_.push_back(metrics::counter(measures::kRequests, {name})); }
    for (const auto* name : kHandshakes) handshakes_.push_back(metrics::counter(measures::kHandshakes, {name}));
    for (const auto* word : kDropWords) dropped_.push_back(metrics::counter(measures::kUdpDropped, {word}));
  }

  void report(const Totals& now) {
    std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < requests_.size(); ++i) add(requests_[i], now.requests[i], before_.requests[i]);
    for (std::size_t i = 0; i < handshakes_.size(); ++i) add(handshakes_[i], now.handshakes[i], before_.handshakes[i]);
    add(in_, now.bytes_in, before_.bytes_in);
    add(out_, now.bytes_out, before_.bytes_out);
    add(errors_, now.upstream_errors, before_.upstream_errors);
    open_.set(static_cast<double>(now.connections));
    for (std::size_t i = 0; i < dropped_.size(); ++i) add(dropped_[i], now.udp_dropped[i], before_.udp_dropped[i]);
    add(pushed_out_, now.udp_pushed_out, before_.udp_pushed_out);
    flows_.set(static_cast<double>(now.udp_flows));
    routes_.set(static_cast<double>(now.routes));
    before_ = now;
  }

 private:
  static void add(const metrics::Counter& counter, std::uint64_t now, std::uint64_t before) {
    if (now > before) counter.add(static_cast<double>(now - before));
  }

  std::mutex mutex_;
  Totals before_;
  std::vector<metrics::Counter> requests_, handshakes_, dropped_;
  metrics::Counter in_ = metrics::counter(measures::kBytes, {"in"});
  metrics::Counter out_ = metrics::counter(measures::kBytes, {"out"});
  metrics::Counter errors_ = metrics::counter(measures::kUpstreamErrors);
  metrics::Counter pushed_out_ = metrics::counter(measures::kUdpPushedOut);
  metrics::Gauge flows_ = metrics::gauge(measures::kUdpFlows);
  metrics::Gauge open_ = metrics::gauge(measures::kConnectionsOpen);
  metrics::Gauge routes_ = metrics::gauge(measures::kRoutes);
};

}  // namespace

Totals Totals::of(const std::vector<std::shared_ptr<Shard>>& shards, std::size_t routes) {
  Totals sum;
  sum.routes = routes;
  for (const auto& shard : shards) {
    const auto& mine = shard->totals();
    for (std::size_t i = 0; i < sum.requests.size(); ++i) sum.requests[i] += mine.requests[i].get();
    for (std::size_t i = 0; i < sum.handshakes.size(); ++i) sum.handshakes[i] += mine.handshakes[i].get();
    sum.connections += mine.connections.get();
    sum.bytes_in += mine.bytes_in.get();
    sum.bytes_out += mine.bytes_out.get();
    sum.upstream_errors += mine.upstream_errors.get();
    sum.udp_flows += mine.udp_flows.get();
    sum.udp_pushed_out += mine.udp_pushed_out.get();
    for (std::size_t i = 0; i < kDropReasons; ++i) sum.udp_dropped[i] += mine.udp_dropped[i].get();
  }
  return sum;
}

void report_metrics(std::weak_ptr<void> state, std::function<Totals(const void*)> totals_of) {
  auto reporter = std::make_shared<Reporter>();
  metrics::on_collect([state = std::move(state), totals_of = std::move(totals_of), reporter] {
    if (auto alive = state.lock()) reporter->report(totals_of(alive.get()));
  });
}

}  // namespace tiltyard::gateway
