#include "base/backoff.h"

#include "jobs/model.h"

namespace tiltyard::jobs {

Duration delay_after(const Backoff& backoff, int failed_attempts, double chance) {
  return scattered_delay<Duration>(backoff.first, backoff.longest, failed_attempts, chance);
}

}  // namespace tiltyard::jobs
