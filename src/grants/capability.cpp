#include "grants/capability.h"

#include "grants/http.h"
#include "house/ground.h"

namespace tiltyard::grants {
namespace {

/// Before what labs answers by itself; an empty kind is no way into a machine.
asio::awaitable<Result<>> stand_before(Service* service, const http::Request* request, std::string kind) {
  if (kind.empty()) co_return Result<>{};
  Way way{InstanceId(std::string(request->param("id"))), request->query_value("machine"), std::move(kind)};
  auto entered = co_await service->enter(*request, std::move(way));
  if (!entered) co_return fail(std::move(entered.error()));
  co_return Result<>{};
}

}  // namespace

std::vector<limits::Limiter> Capability::limiters() const {
  return {
      {"grants", "Asking to be let into machines", limits::Key::kUser, {120, 240, 50'000}, std::chrono::minutes{1}}};
}

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Service>(Parts{ground.home, ground.store, ground.clock, ground.bus, labs_.service()});
  ground.doors.filters.push_back([service = service_.get()](http::Request& request, const http::Route& route) {
    return stand_before(service, &request, std::string(kind_of_route(route.method, route.pattern)));
  });
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *service_); }

asio::awaitable<Result<>> Capability::open() {
  service_->open();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::grants
