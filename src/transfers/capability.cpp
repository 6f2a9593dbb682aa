#include "transfers/capability.h"

#include "house/ground.h"
#include "transfers/http.h"
#include "transfers/words.h"

namespace tiltyard::transfers {

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  constexpr std::chrono::minutes kMinute{1};
  return {
      {"files-read", "Looking at files of machines and fetching them", Key::kUser, {300, 1200, 500'000}, kMinute},
      {"files-change", "Folders, moves and removals in machines", Key::kUser, {100, 300, 50'000}, kMinute},
      {"files-send", "Pieces of files that are sent into machines", Key::kUser, {300, 3000, 1'000'000}, kMinute},
  };
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Service>(options_, labs_.service(), ground.engines, ground.home);
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *service_, labs_); }

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::transfers
