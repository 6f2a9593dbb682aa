#include "audit/capability.h"

#include "house/ground.h"
#include "identity/scopes.h"

namespace tiltyard::audit {
namespace {

using identity::Principal;
using Key = Result<std::string>;

/// The event log, as far as its reader may see it.
asio::awaitable<Key> admit(const house::Declared* same, Principal who, std::string rest) {
  if (!rest.empty()) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  if (!identity::may_call(who, same->rights)) co_return fail(Code::kForbidden, "forbidden", "This room is for staff.");
  co_return std::string(who.at_least(identity::Role::kAdmin) ? "admins" : "operators");
}

asio::awaitable<std::optional<boost::json::object>> logged(bus::Event event, long long seq) {
  co_return event_view(seq, event);
}

std::vector<std::string> readers_of(const bus::Event& event) {
  if (event.kind->rows == bus::Rows::kNone) return {};
  if (event.kind->readers == bus::Readers::kAdmins) return {"admins"};
  return {"admins", "operators"};
}

}  // namespace

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  using limits::Limiter;
  constexpr std::chrono::minutes kMinute{1};
  return {
      Limiter{"export", "Taking out whole records", Key::kUser, {5, 10, 500}, kMinute},
  };
}

Result<> Capability::make(house::Ground& ground) {
  service_ = std::make_unique<Service>(options_, Parts{ground.store, ground.clock, ground.jobs, ground.kinds});
  return {};
}

void Capability::routes(house::Routes& routes) { service_->add_routes(routes); }

std::vector<realtime::RoomKind> Capability::rooms(const house::Routes& routes) {
  realtime::RoomKind kind;
  kind.name = "events";
  kind.event = "event";
  kind.admit = [same = routes.find("GET", "/api/v1/admin/events")](Principal who, std::string rest) {
    return admit(same, std::move(who), std::move(rest));
  };
  kind.history = [](const std::string&) { return realtime::LogFilter{}; };
  kind.places = readers_of;
  kind.news = [](bus::Event event, std::string, long long seq) { return logged(std::move(event), seq); };
  return {std::move(kind)};
}

}  // namespace tiltyard::audit
