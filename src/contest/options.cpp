// What the configuration says of contests.
#include "config/keys.h"
#include "contest/service.h"

namespace tiltyard::contest {

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("contest", "What is handed in, and who is where.")
      .flag("practice", options.practice,
            "Whether everybody may hand in flags of challenges that are in no contest, or whose contest is over.")
      .number("points", options.points, 0, 1'000'000, "What a challenge is worth whose challenge.toml names no value.")
      .flag("public_boards", options.public_boards, "Whether boards are shown to who has not signed in.");
}

}  // namespace tiltyard::contest
