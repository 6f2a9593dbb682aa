// What the configuration says of rate limits.
#include "config/keys.h"
#include "limits/limits.h"

namespace tiltyard::limits {

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("rates", "How often the API may be called.")
      .real("factor", options.factor, 0.01, 10'000,
            "What every rate limit of the API is multiplied by. Single limits are changed by staff at run time (PATCH "
            "/api/v1/admin/limits).");
}

}  // namespace tiltyard::limits
