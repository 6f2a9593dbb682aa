// The screen of a machine over a WebSocket (row 3.2): api/paths/desktop.yaml.
#include "desktop/http.h"

#include <fmt/format.h>

#include <algorithm>

#include "desktop/bridge.h"
#include "engine/reasons.h"
#include "identity/identity.h"
#include "net/text.h"

namespace tiltyard::desktop {
namespace {

using house::Access;
using house::Scope;
using house::Whose;
using http::Request;
using http::Response;
using PartsRef = std::shared_ptr<const HttpParts>;

constexpr char kDesktop[] = "desktop";  // as a kind of session

struct Found {
  Screen screen;
  std::string machine;
};

/// Where the screen of an instance is.
Result<Found> screen_of(const PartsRef& parts, const labs::Instance& instance) {
  const auto said = parts->screens.of(instance.tmpl);
  if (!said) return fail(Code::kNotFound, "desktop-none", "The instance's template has no desktop.");
  if (!labs::is_up(instance.state)) {
    return fail(Code::kConflict, "instance-not-running",
                "The instance neither runs nor sleeps; its desktop cannot be seen.");
  }
  const auto& machines = instance.plan.machines;
  const auto machine = std::ranges::find(machines, said->machine, &labs::PlannedMachine::service);
  if (machine == machines.end() || machine->attachments.empty())
    return fail(Code::kConflict, "machine-unknown", "The instance has no machine with a desktop.");
  Screen screen{machine->attachments.front().address, said->port, Secret(said->password)};
  if (said->per_owner && instance.credentials) screen.password = instance.credentials->password;
  return Found{std::move(screen), said->machine};
}

/// `too-many-desktops` where the caller has enough of them in this instance.
Result<> seat_for(const PartsRef& parts, const UserId& user, const InstanceId& instance) {
  const auto open = parts->labs.service().sessions().of(instance);
  const auto mine =
      std::ranges::count_if(open, [&](const auto& one) { return one.kind == kDesktop && one.user == user; });
  if (static_cast<std::size_t>(mine) < parts->options.per_user) return {};
  return fail(Code::kLimited, "too-many-desktops",
              fmt::format("You have this desktop open {} times already, which is the most (desktop.per_user). Close "
                          "one first.",
                          mine));
}

asio::awaitable<Result<>> end(std::weak_ptr<Bridge> bridge) {
  if (const auto running = bridge.lock()) running->throw_out();
  co_return Result<>{};
}

/// What keeps the instance awake from now on; it is woken first if it sleeps.
asio::awaitable<Result<std::shared_ptr<void>>> awake(PartsRef parts, InstanceId id) {
  auto& service = parts->labs.service();
  auto in_use = service.use(id);
  auto woken = co_await service.wake(id);
  if (woken) co_return in_use;
  auto error = std::move(woken.error());
  // The engine's names are ours alone.
  if (error.reason == engine::reason::kAway || error.reason == engine::reason::kLost)
    error.reason = "engine-unavailable";
  co_return fail(std::move(error));
}

/// All that lasts as long as a view.
struct Open {
  std::shared_ptr<Bridge> bridge;
  std::shared_ptr<void> listed, in_use;
};

asio::awaitable<void> show(std::shared_ptr<Open> open, std::shared_ptr<http::WebSocket> socket) {
  co_await open->bridge->run(std::move(socket));
}

asio::awaitable<Result<Response>> open_desktop(PartsRef parts, Request request) {
  auto& service = parts->labs.service();
  auto instance = co_await labs::visible_instance(&service, request);
  if (!instance) co_return fail(std::move(instance.error()));
  auto found = screen_of(parts, *instance);
  if (!found) co_return fail(std::move(found.error()));
  if (auto away = service.unreachable(*instance)) co_return fail(std::move(*away));
  const bool watches = request.query_value("watch") == "1";
  const auto right = watches ? grants::Right::kWatch : grants::Right::kControl;
  auto admission = co_await parts->grants.enter(request, {instance->id, found->machine, kDesktop, right});
  if (!admission) co_return fail(std::move(admission.error()));
  const auto& who = identity::principal_of(request);
  auto open = std::make_shared<Open>();
  open->bridge = std::make_shared<Bridge>(std::move(found->screen), watches ? Hands::kWatch : Hands::kControl);
  // Nothing is waited for between the two, so that no more are open than may be.
  if (auto seat = seat_for(parts, who.user, instance->id); !seat) co_return fail(std::move(seat.error()));
  open->listed =
      parts->grants.begin({who, std::move(*admission), [weak = std::weak_ptr(open->bridge)] { return end(weak); }});
  auto in_use = co_await awake(parts, instance->id);
  if (!in_use) co_return fail(std::move(in_use.error()));
  open->in_use = std::move(*in_use);
  Response response = Response::empty(101);
  // Viewers of before noVNC 1.0 ask for it, and end without it; others end when it is said unasked.
  if (http::has_token(request.headers.get("Sec-WebSocket-Protocol"), "binary"))
    response.headers.add("Sec-WebSocket-Protocol", "binary");
  response.websocket = [open](std::shared_ptr<http::WebSocket> socket) { return show(open, std::move(socket)); };
  co_return response;
}

}  // namespace

void add_routes(house::Routes& routes, HttpParts needed) {
  const auto parts = std::make_shared<const HttpParts>(needed);
  routes.add("GET", "/api/v1/instances/{id}/desktop", {Access::kSignedIn, Scope::kInstances, Whose::kOwner},
             {"desktop-open"}, [parts](Request request) { return open_desktop(parts, std::move(request)); });
  add_ways_routes(routes, parts);
}

}  // namespace tiltyard::desktop
