// What the configuration says of recordings.
#include "config/keys.h"
#include "recordings/recordings.h"

namespace tiltyard::recordings {

void declare_keys(config::Keys& keys, Options& options) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  keys.section("recordings", "What terminals show, where a template has it recorded.")
      .bytes("each", options.each, 64 << 10, 1 << 30,
             "What one recording may take: a terminal that shows more is closed, and another can be opened.")
      .bytes("total", options.total, 1 << 20, kMost,
             "What all recordings together may take on disk: of whoever has most, those that ended first go first.")
      .bytes("per_owner", options.per_owner, 1 << 20, kMost,
             "What those of one owner may take of it: the owner's that ended first go first.")
      .time("keep", options.keep, std::chrono::seconds{60}, std::chrono::hours{24 * 3650},
            "How long a recording is kept after its end.");
}

}  // namespace tiltyard::recordings
