#include "farm/figures.h"

namespace tiltyard::farm {
namespace {

const std::vector<double> kTimes{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                 0.25,   0.5,   1,      2.5,   10,   30,    60,   300};

metrics::Counter received(const char* result) {
  return metrics::counter("tiltyard_farm_received_total", "Flags that were reported to the farm", {{"result", result}});
}

template <std::size_t... I>
std::array<metrics::Counter, sizeof...(I)> verdict_counters(std::index_sequence<I...>) {
  return {metrics::counter("tiltyard_farm_verdicts_total", "Verdicts of the jury",
                           {{"verdict", std::string(to_string(static_cast<Verdict>(I)))}})...};
}

template <std::size_t... I>
std::array<metrics::Gauge, sizeof...(I)> status_gauges(std::index_sequence<I...>) {
  return {metrics::gauge("tiltyard_farm_flags", "Flags of the farm by where they stand",
                         {{"status", std::string(to_string(static_cast<Status>(I)))}})...};
}

}  // namespace

Figures::Figures()
    : received_new(received("new")),
      received_duplicate(received("duplicate")),
      received_invalid(received("invalid")),
      verdicts(verdict_counters(std::make_index_sequence<8>{})),
      late(metrics::counter("tiltyard_farm_late_verdicts_total", "Verdicts that came after their lease had ended")),
      leases(metrics::counter("tiltyard_farm_leases_total", "Batches of flags that were handed out to senders")),
      limited(
          metrics::counter("tiltyard_farm_limited_total", "Times that the jury said that there are too many requests")),
      ingest_seconds(metrics::histogram("tiltyard_farm_ingest_seconds",
                                        "From a post's arrival in the farm until its flags are on disk", kTimes)),
      first_hand_out_seconds(metrics::histogram("tiltyard_farm_first_hand_out_seconds",
                                                "From a flag's arrival until a sender has it for the first time",
                                                kTimes)),
      decided_seconds(
          metrics::histogram("tiltyard_farm_decided_seconds", "From a flag's arrival until it is final", kTimes)),
      flags(status_gauges(std::make_index_sequence<kStatuses>{})),
      queue_age_seconds(
          metrics::gauge("tiltyard_farm_queue_age_seconds", "How long the oldest flag has been waiting for a sender")),
      open_leases(metrics::gauge("tiltyard_farm_open_leases", "Batches that senders have now")),
      rate_calls(metrics::gauge("tiltyard_farm_rate_calls_per_second",
                                "Calls to the jury that the shared limit allows; 0: no limit is known")),
      log_waiting_bytes(metrics::gauge("tiltyard_farm_log_waiting_bytes", "What is not on disk yet")),
      attack_stale(metrics::gauge("tiltyard_farm_attack_data_stale", "1 while the jury's attack data is too old")) {}

}  // namespace tiltyard::farm
