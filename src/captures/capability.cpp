#include "captures/capability.h"

#include "captures/http.h"
#include "captures/step.h"
#include "captures/words.h"
#include "house/ground.h"
#include "privileged/caller.h"

namespace tiltyard::captures {

std::vector<limits::Limiter> Capability::limiters() const {
  constexpr std::chrono::minutes kMinute{1};
  return {limits::Limiter{"capture-file", "Taking out captured packets", limits::Key::kUser, {20, 30, 2000}, kMinute}};
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  std::shared_ptr<const privileged::Caller> apart;
  if (apart_.options().apart())
    apart = std::make_shared<privileged::Caller>(privileged::whole(apart_.options().socket));
  service_ = std::make_unique<Service>(
      options_, Parts{ground.home, ground.store, ground.clock, ground.jobs, labs_.service(), ground.files,
                      ground.data + "/captures", std::move(apart), ground.version});
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *service_); }

asio::awaitable<Result<>> Capability::start() { return service_->start(); }

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

labs::Steps Capability::steps(const std::string&) {
  labs::Steps steps;
  steps.push_back(capture_step([this]() -> Service& { return *service_; }));
  return steps;
}

}  // namespace tiltyard::captures
