// What the configuration says of what servers share.
#include "bus/redis.h"
#include "config/keys.h"

namespace tiltyard::bus {

void declare_keys(config::Keys& keys, RedisSite& site) {
  keys.section("redis", "What servers share.")
      .secret("url", site.url, 0,
              "Where several servers share what they count: redis://:PASSWORD@HOST:6379/0, rediss:// for TLS, or "
              "unix:///PATH. Empty: each counts for itself.")
      .text("prefix", site.prefix, config::form::kName,
            "What our keys in Redis begin with; servers that share limits share it.");
}

}  // namespace tiltyard::bus
