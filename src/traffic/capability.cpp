#include "traffic/capability.h"

#include "base/parallel.h"
#include "house/ground.h"
#include "traffic/http.h"

namespace tiltyard::traffic {

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, {labs_, ground_->gateway, sampler_}); }

asio::awaitable<Result<>> Capability::open() {
  gate_.spawn(ground_->home, "sample the gateway's traffic", go_round());
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() { co_await gate_.close(); }

asio::awaitable<void> Capability::go_round() {
  while (true) {
    look();
    co_await sleep_for(Sampler::kEvery);
  }
}

void Capability::look() {
  std::map<std::string, gateway::Traffic> counts;
  for (auto& id : ground_->gateway.published()) {
    if (const auto traffic = ground_->gateway.traffic(InstanceId(id))) counts.emplace(std::move(id), *traffic);
  }
  sampler_.take(ground_->clock.now(), counts);
}

}  // namespace tiltyard::traffic
