// What the configuration says of desktops.
#include "config/keys.h"
#include "desktop/http.h"

namespace tiltyard::desktop {

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("desktop", "Screens of machines in the page.")
      .number("per_user", options.per_user, 1, 1000, "Views of one instance's screen that one user has open at once.");
}

}  // namespace tiltyard::desktop
