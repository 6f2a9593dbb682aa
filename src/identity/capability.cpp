#include "identity/capability.h"

#include "house/ground.h"

namespace tiltyard::identity {
namespace {

using limits::Key;
using limits::Limiter;
using std::chrono::hours;
using std::chrono::minutes;

/// Who carries a capability's own credential is known by it; everybody else shows one of ours.
asio::awaitable<Result<>> admit(Service* service, const std::vector<HasCredential*>* others, http::Request* request,
                                const http::Route* route) {
  service->note_address(*request);
  for (const auto* other : *others) {
    auto who = other->principal(*request, *route);
    if (!who) continue;
    set_principal(*request, std::move(who));
    co_return Result<>{};
  }
  co_return co_await service->authorise(*request, *route);
}

/// The service outlives the router, which asks.
http::Callers callers_of(const Service& service) {
  http::Callers callers;
  callers.proxy = [&service](const asio::ip::address& peer) { return service.is_proxy(peer); };
  callers.address = [&service](const http::Request& request) { return service.client_address(request); };
  callers.user = [](const std::any& principal) {
    const auto* who = std::any_cast<std::shared_ptr<const Principal>>(&principal);
    return who != nullptr && *who ? std::string_view((*who)->user.str()) : std::string_view();
  };
  return callers;
}

}  // namespace

std::vector<Limiter> Capability::limiters() const {
  constexpr minutes kMinute{1};
  constexpr hours kHour{1};
  return {
      Limiter{"sign-in-page", "Asking which ways of signing in there are", Key::kAddress, {300, 600, 0}, kMinute},
      Limiter{"sign-in-address",
              "Sign-ins from one address, or with a browser that is known, right or wrong",
              Key::kAddress,
              {300, 120, 20'000},
              kMinute},
      Limiter{
          "sign-in-redirect", "Sign-ins by way of another site: there and back", Key::kAddress, {300, 240, 0}, kMinute},
      Limiter{"sign-out", "Signing out", Key::kUser, {20, 30, 0}, kMinute},
      Limiter{"registration", "New accounts from one address", Key::kAddress, {60, 60, 300}, kHour},
      Limiter{"reset-mail",
              "Mails to a forgotten password's owner, asked for from one address",
              Key::kAddress,
              {5, 20, 60},
              kHour},
      Limiter{"reset-name", "Mails to one account's owner", Key::kName, {3, 6, 12}, kHour},
      Limiter{"password-change",
              "Changing the password, or showing it once more; each costs a slow hash",
              Key::kUser,
              {10, 20, 60},
              kHour},
      Limiter{"profile-read", "Reading one's own account, sessions and tokens", Key::kUser, {60, 100, 0}, kMinute},
      Limiter{"profile-change",
              "Changing one's own account: ending sessions, leaving or joining a team",
              Key::kUser,
              {30, 60, 2000},
              kMinute},
      Limiter{"team-join", "Trying team invitations", Key::kUser, {10, 20, 100}, kHour},
      Limiter{"token-create", "Making tokens", Key::kUser, {20, 60, 200}, kHour},
      Limiter{"token-revoke", "Revoking tokens", Key::kUser, {30, 60, 0}, kMinute},
      Limiter{"people-change",
              "Staff making, changing and removing users and teams",
              Key::kUser,
              {300, 300, 20'000},
              kMinute},
  };
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  options_.data_folder = ground.data;
  options_.trusted_proxies = ground.site.trusted_proxies;
  options_.allow_targets = ground.site.allow_targets;
  options_.version = ground.version;
  options_.public_url = ground.site.public_url;
  options_.note = [events = &ground.events](bus::Event event) { events->note(std::move(event)); };
  if (notices_.service().has_mail()) {
    options_.mail = [notices = &notices_.service()](Letter letter) {
      return notices->mail({std::move(letter.to), std::move(letter.subject), std::move(letter.text)});
    };
  }
  service_ = std::make_unique<Service>(options_, ground.store, ground.clock, ground.hashing);
  service_->declare_jobs(ground.jobs);
  ground.doors.filters.push_back(
      [service = service_.get(), others = ground.offering<HasCredential>()](
          http::Request& request, const http::Route& route) { return admit(service, &others, &request, &route); });
  ground.doors.watch = [service = service_.get()](std::any who, http::Response& response) {
    return service->watch(std::move(who), response);
  };
  ground.doors.callers = callers_of(*service_);
  return {};
}

void Capability::routes(house::Routes& routes) { service_->add_routes(routes); }

asio::awaitable<Result<>> Capability::start() { co_return co_await service_->prepare(); }

asio::awaitable<Result<>> Capability::open() {
  auto link = co_await service_->setup_link();
  if (link && *link) ground_->first_link = (*link)->reveal();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::identity
