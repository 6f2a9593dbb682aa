#include "ssh/capability.h"

#include "house/ground.h"
#include "observe/log.h"
#include "ssh/http.h"
#include "ssh/words.h"

namespace tiltyard::ssh {

std::vector<limits::Limiter> Capability::limiters() const {
  constexpr std::chrono::minutes kMinute{1};
  return {
      {"ssh-keys", "Adding SSH keys to an account, and taking them away", limits::Key::kUser, {20, 30, 500}, kMinute}};
}

void Capability::words(cli::Words& words) { add_words(words); }

Result<> Capability::make(house::Ground& ground) {
  ground_ = &ground;
  auto reach = net::Reach::make(ground.site.allow_targets);
  if (!reach) return fail(std::move(reach.error()));
  reach_ = std::move(*reach);
  keys_ = std::make_unique<KeyStore>(ground.store);
  identity_.service().on_user_deleted(
      [this](UserId user) { gate_.spawn(ground_->home, "remove a deleted user's keys", user_gone(std::move(user))); });
  return {};
}

asio::awaitable<void> Capability::user_gone(UserId user) {
  auto done = co_await keys_->forget(user);
  if (!done) log::warn("ssh", "keys of a deleted user stay", {{"user", user.str()}, {"cause", done.error().cause}});
}

void Capability::routes(house::Routes& routes) {
  add_routes(routes, {*keys_, ground_->clock, *reach_, options_.keys_from});
}

asio::awaitable<void> Capability::close() { co_await gate_.close(); }

}  // namespace tiltyard::ssh
