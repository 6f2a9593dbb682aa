#include "realtime/capability.h"

#include "house/ground.h"

namespace tiltyard::realtime {
namespace {

using identity::Principal;
using Admit = std::function<asio::awaitable<Result<std::string>>(Principal, std::string)>;

/// "chat:lobby" is everybody's, "chat:team" that of one's own team.
asio::awaitable<Result<std::string>> admit_to_chat(Principal who, std::string rest) {
  if (rest == "lobby") co_return std::move(rest);
  if (rest != "team") co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  if (!who.team) co_return fail(Code::kForbidden, "team-missing", "You are in no team.");
  co_return "team/" + who.team->str();
}

RoomKind chat() {
  RoomKind kind;
  kind.name = "chat";
  kind.event = "message";
  kind.admit = admit_to_chat;
  kind.talk = true;
  return kind;
}

/// A capability that is switched off for somebody has no rooms for them either.
asio::awaitable<Result<std::string>> admit_unless_hidden(const features::Service* features, std::string capability,
                                                         Admit admit, Principal who, std::string rest) {
  if (features->hides(capability, who)) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  auto work = admit(std::move(who), std::move(rest));
  co_return co_await std::move(work);
}

}  // namespace

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  using limits::Limiter;
  constexpr std::chrono::minutes kMinute{1};
  return {
      Limiter{"realtime-open",
              "Requests to the real-time transport from one address: polls, posts and WebSockets",
              Key::kAddress,
              {3000, 6000, 0},
              kMinute},
      Limiter{"realtime-connect", "Opening real-time connections", Key::kUser, {60, 60, 10'000}, kMinute},
      Limiter{"realtime-act",
              "Joining and leaving rooms over a real-time connection",
              Key::kUser,
              {200, 300, 50'000},
              kMinute},
      Limiter{"chat-say", "Chat messages", Key::kUser, {10, 30, 2000}, kMinute},
  };
}

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  options_.prefix = ground.shared.prefix;
  options_.redis = ground.shared.url;
  options_.budget = ground.budget;
  service_ = std::make_unique<Service>(options_, Parts{ground.home, ground.store, ground.bus, identity_.service(),
                                                       ground.limits, ground.clock, ground.kinds});
  return {};
}

void Capability::routes(house::Routes& routes) {
  service_->add_routes(routes);
  add_rooms(routes);
}

void Capability::add_rooms(const house::Routes& routes) {
  service_->add(chat());
  for (const auto& one : ground_->all) {
    auto* rooms = dynamic_cast<HasRooms*>(one.get());
    if (rooms == nullptr) continue;
    for (auto& kind : rooms->rooms(routes)) {
      kind.admit = [features = &features_.service(), capability = std::string(one->name()),
                    admit = std::move(kind.admit)](Principal who, std::string rest) {
        return admit_unless_hidden(features, capability, admit, std::move(who), std::move(rest));
      };
      service_->add(std::move(kind));
    }
  }
}

asio::awaitable<Result<>> Capability::open() { co_return co_await service_->start(); }

asio::awaitable<void> Capability::drain() {
  if (service_) service_->disconnect();
  co_return;
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

}  // namespace tiltyard::realtime
