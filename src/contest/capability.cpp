#include "contest/capability.h"

#include "contest/http.h"
#include "contest/rooms.h"
#include "contest/words.h"
#include "house/ground.h"

namespace tiltyard::contest {

std::vector<limits::Limiter> Capability::limiters() const {
  using limits::Key;
  constexpr std::chrono::minutes kMinute{1};
  return {
      {"flag-submit", "Handing in flags", Key::kUser, {10, 20, 0}, kMinute},
      {"contest-read", "Looking at boards, which need no sign-in", Key::kAddress, {600, 3000, 0}, kMinute},
      {"contest-file", "Fetching what challenges hand out", Key::kUser, {30, 60, 0}, kMinute},
      {"contest-hint", "Taking hints", Key::kUser, {10, 20, 0}, kMinute},
  };
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  files_ = &ground.files;
  service_ = std::make_unique<Service>(
      options_, Parts{ground.home, ground.store, templates_.catalogue(), flags_.service(), identity_.service(),
                      ground.files, ground.clock, labs_, access_, templates_.options().path});
  return {};
}

void Capability::routes(house::Routes& routes) {
  add_routes(routes, *service_, *files_);
  add_staff_routes(routes, *service_);
}

asio::awaitable<Result<>> Capability::start() { return service_->start(); }

asio::awaitable<Result<>> Capability::open() {
  service_->open();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

std::vector<realtime::RoomKind> Capability::rooms(const house::Routes&) { return {room_of(*service_)}; }

}  // namespace tiltyard::contest
