#include "desktop/capability.h"

#include <boost/json/object.hpp>

namespace tiltyard::desktop {

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  return {{"desktop-open", "Opening the screen of a machine", Key::kUser, {15, 30, 1000}, std::chrono::minutes{1}}};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, {labs_, screens_, grants_.service(), options_}); }

/// Nothing of how one signs in there: that is the server's to know.
void Capability::add_facts(const templates::Template& tmpl, boost::json::object& view) const {
  const auto screen = screens_.of(tmpl);
  view["desktop"] = nullptr;
  if (screen) view["desktop"] = {{"kind", templates::word_of(screen->kind)}, {"machine", screen->machine}};
}

}  // namespace tiltyard::desktop
