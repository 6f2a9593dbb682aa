#pragma once

#include <array>

#include "farm/model.h"
#include "observe/metrics.h"

namespace tiltyard::farm {

/// The farm's metrics (docs/operations.md).
struct Figures {
  Figures();

  metrics::Counter received_new, received_duplicate, received_invalid;
  std::array<metrics::Counter, 8> verdicts;  ///< by Verdict
  metrics::Counter late, leases, limited;
  metrics::Histogram ingest_seconds, first_hand_out_seconds, decided_seconds;
  std::array<metrics::Gauge, kStatuses> flags;  ///< by Status
  metrics::Gauge queue_age_seconds, open_leases, rate_calls, log_waiting_bytes, attack_stale;
};

}  // namespace tiltyard::farm
