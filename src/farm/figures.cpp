#include "farm/figures.h"
#include "farm/measures.h"

namespace tiltyard::farm {
namespace {

const std::vector<double> kTimes{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                 0.25,   0.5,   1,      2.5,   10,   30,    60,   300};

metrics::Counter received(const char* result) { return metrics::counter(measures::kReceived, {result}); }

template <std::size_t... I>
std::array<metrics::Counter, sizeof...(I)> verdict_counters(std::index_sequence<I...>) {
  return {metrics::counter(measures::kVerdicts, {std::string(to_string(static_cast<Verdict>(I)))})...};
}

template <std::size_t... I>
std::array<metrics::Gauge, sizeof...(I)> status_gauges(std::index_sequence<I...>) {
  return {metrics::gauge(measures::kFlags, {std::string(to_string(static_cast<Status>(I)))})...};
}

}  // namespace

Figures::Figures()
    : received_new(received("new")),
      received_duplicate(received("duplicate")),
      received_invalid(received("invalid")),
      verdicts(verdict_counters(std::make_index_sequence<8>{})),
      late(metrics::counter(measures::kLateVerdicts)),
      leases(metrics::counter(measures::kLeases)),
      limited(metrics::counter(measures::kLimited)),
      ingest_seconds(metrics::histogram(measures::kIngestSeconds, kTimes)),
      first_hand_out_seconds(metrics::histogram(measures::kFirstHandOutSeconds, kTimes)),
      decided_seconds(metrics::histogram(measures::kDecidedSeconds, kTimes)),
      flags(status_gauges(std::make_index_sequence<kStatuses>{})),
      queue_age_seconds(metrics::gauge(measures::kQueueAge)),
      open_leases(metrics::gauge(measures::kOpenLeases)),
      rate_calls(metrics::gauge(measures::kRate)),
      log_waiting_bytes(metrics::gauge(measures::kLogWaiting)),
      attack_stale(metrics::gauge(measures::kAttackDataStale)) {}

}  // namespace tiltyard::farm
