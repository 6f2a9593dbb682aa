#include "rates/capability.h"

#include "house/ground.h"

namespace tiltyard::rates {

Result<> Capability::make(house::Ground& ground) {
  limits_ = &ground.limits;
  limits_->declare_jobs(ground.jobs);
  ground.doors.guard = [this](const http::Request& request, const http::Route& route) {
    return door_->guard(request, route);
  };
  ground.doors.filters.push_back(
      [this](http::Request& request, const http::Route& route) { return door_->pass(request, route); });
  return {};
}

void Capability::routes(house::Routes& routes) {
  routes_ = &routes;
  add_routes(routes, *limits_);
}

asio::awaitable<Result<>> Capability::start() {
  door_ = std::make_unique<Door>(*routes_, identity_.service(), *limits_);
  co_return co_await limits_->load();
}

}  // namespace tiltyard::rates
