// What the configuration says of captures.
#include "captures/captures.h"
#include "config/keys.h"

namespace tiltyard::captures {

void declare_keys(config::Keys& keys, Options& options) {
  using std::chrono::seconds;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  keys.section("captures", "Packets of instances, captured for staff.")
      .number("at_once", options.at_once, 0, 1000,
              "Captures that run at the same time. 0: none ever does, and the privileged half opens no socket for one.")
      .bytes("buffer", options.buffer, 1 << 20, 1 << 30,
             "What the kernel holds for each network of a capture until it is read; more outlasts longer bursts.")
      .bytes("each", options.each, 1 << 20, kMost,
             "What is kept of one capture, the newest of it, where nobody says otherwise.")
      .bytes("total", options.total, 1 << 20, kMost,
             "What all captures together may take on disk: those that ended first go first.")
      .time("keep", options.keep, seconds{60}, std::chrono::hours{24 * 3650},
            "How long what was captured is kept after its end.")
      .flag("tell_owner", options.tell_owner,
            "Whether the owner of an instance can see, at GET /api/v1/me/captures, that its packets are captured.");
}

}  // namespace tiltyard::captures
