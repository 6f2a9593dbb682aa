#include "ports/capability.h"

#include "house/ground.h"
#include "ports/http.h"
#include "ports/words.h"

namespace tiltyard::ports {

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  constexpr std::chrono::minutes kMinute{1};
  return {
      {"ports-read", "Looking which ports of machines listen", Key::kUser, {30, 60, 20'000}, kMinute},
      {"ports-change", "Opening and closing ports of machines", Key::kTeam, {20, 20, 1000}, kMinute},
  };
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Service>(options_, labs_.service(), ground.engines, ground.files);
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *service_, labs_); }

}  // namespace tiltyard::ports
