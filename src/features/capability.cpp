#include "features/capability.h"

#include "house/ground.h"

namespace tiltyard::features {
namespace {

asio::awaitable<Result<>> look(const Service* service, std::size_t place, const http::Request* request, bool open) {
  const bool hidden =
      open ? service->hidden_from_everybody(place) : service->hidden(place, identity::principal_of(*request));
  if (hidden) co_return fail(Code::kNotFound, "switched-off", "This part of the range is switched off for you.");
  co_return Result<>{};
}

}  // namespace

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Service>(ground.store, ground.clock);
  for (const auto& one : ground.all) {
    for (auto& part : one->switches()) service_->declare(std::move(part), one->name());
  }
  ground.doors.filters.push_back([this](http::Request& request, const http::Route& route) {
    return look(service_.get(), routes_->router().place(route), &request, route.access == house::Access::kOpen);
  });
  return {};
}

void Capability::routes(house::Routes& routes) {
  routes_ = &routes;
  service_->add_routes(routes);
}

asio::awaitable<Result<>> Capability::start() {
  service_->bind(*routes_);
  co_return co_await service_->load();
}

}  // namespace tiltyard::features
