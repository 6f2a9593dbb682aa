#include "doors/capability.h"

#include "doors/http.h"
#include "doors/words.h"
#include "house/ground.h"

namespace tiltyard::doors {
namespace {

using Who = std::shared_ptr<const identity::Principal>;

/// Behind identity: who is known by now has come from somewhere.
asio::awaitable<Result<>> remember(Service* service, const http::Request* request) {
  const auto* who = std::any_cast<Who>(&request->principal);
  if (who != nullptr && *who && !request->client_address.empty() && service->is_news(**who, request->client_address))
    co_await service->saw(*who, request->client_address);
  co_return Result<>{};
}

}  // namespace

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  using limits::Limiter;
  constexpr std::chrono::minutes kMinute{1};
  return {
      Limiter{"door", "Going in to instances that are their owner's alone", Key::kAddress, {120, 240, 0}, kMinute},
      Limiter{"door-read", "Asking for an instance's token and links", Key::kUser, {60, 120, 0}, kMinute},
      Limiter{"door-share", "Making and taking back links to instances", Key::kTeam, {20, 30, 1000}, kMinute},
  };
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  service_ =
      std::make_unique<Service>(Parts{ground.home, ground.store, ground.clock, ground.kinds, ground.gateway.doors(),
                                      labs_.service(), ground.gateway.options().owner_address_ttl});
  service_->declare_jobs(ground.jobs);
  ground.doors.filters.push_back(
      [service = service_.get()](http::Request& request, const http::Route&) { return remember(service, &request); });
  return {};
}

void Capability::routes(house::Routes& routes) {
  const auto parts = std::make_shared<const HttpParts>(HttpParts{*service_, identity_.service(), labs_.address()});
  add_door_routes(routes, parts);
  add_share_routes(routes, parts);
}

asio::awaitable<Result<>> Capability::start() { co_return co_await service_->start(); }

asio::awaitable<Result<>> Capability::open() {
  const auto& url = ground_->site.public_url;
  co_await service_->open(url.empty() ? ground_->local_url() : url);
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::doors
