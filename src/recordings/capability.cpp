#include "recordings/capability.h"

#include "house/ground.h"
#include "recordings/http.h"
#include "recordings/words.h"

namespace tiltyard::recordings {

std::vector<limits::Limiter> Capability::limiters() const {
  constexpr std::chrono::minutes kMinute{1};
  return {limits::Limiter{"recording-file", "Taking out recordings", limits::Key::kUser, {30, 60, 2000}, kMinute}};
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Recordings>(
      options_, Parts{ground.home, ground.store, ground.clock, ground.jobs, ground.files, ground.data + "/recordings"});
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *service_); }

asio::awaitable<Result<>> Capability::start() { return service_->start(); }

asio::awaitable<Result<>> Capability::open() {
  service_->open();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::recordings
