// What answers for long ends with the right to it.
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <map>

#include "identity/state.h"

namespace tiltyard::identity {
namespace {

using Who = std::shared_ptr<const Principal>;
using namespace boost::asio::experimental::awaitable_operators;

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::uint16_t kPolicyViolation = 1008;  ///< RFC 6455, 7.4.1

/// Whether who asked still is who it was, with the same rights. A store that does not answer is no reason to cut
/// anybody off.
asio::awaitable<bool> still(StatePtr state, Who before) {
  if (before->access.empty()) co_return true;
  // A CTFd's account is looked up by its token, which is not kept: its user decides.
  if (before->access.starts_with("c:")) {
    auto work = [id = before->user.str()](soci::session& sql) -> Result<std::optional<sql::User>> {
      return sql::user_by_id(sql, id);
    };
    const auto user = co_await state->store.read(std::move(work));
    if (!user) co_return true;
    co_return *user && (*user)->disabled_at == sql::kNever &&
        (*user)->role == before->role&& make_principal(**user, "ctfd", "").owner() == before->owner();
  }
  const auto now = co_await principal_now(state, before->access);
  if (!now) co_return true;
  co_return *now && (*now)->user == before->user && (*now)->owner() == before->owner() && (*now)->role == before->role;
}

/// Completes when the right is gone, or when it is cancelled.
asio::awaitable<void> until_over(StatePtr state, Who who) {
  const auto one = std::make_shared<Watched>(who, co_await asio::this_coro::executor);
  {
    const std::lock_guard lock(state->watched_mutex);
    state->watched.push_back(one);
  }
  co_await one->over.wait();
}

/// The same, never with an exception: in the race below, an end by exception would not count as one.
asio::awaitable<void> quiet(asio::awaitable<void> work, std::shared_ptr<std::exception_ptr> failure) {
  try {
    co_await std::move(work);
  } catch (...) { *failure = std::current_exception(); }
}

/// Everybody who has something open is asked about once, however many pages that is.
asio::awaitable<Result<jobs::Next>> look_at_watched(StatePtr state) {
  std::map<std::string, std::vector<std::shared_ptr<Watched>>> people;
  {
    const std::lock_guard lock(state->watched_mutex);
    std::erase_if(state->watched, [](const auto& one) { return one.expired(); });
    for (const auto& weak : state->watched) {
      const auto one = weak.lock();
      if (one && !one->who->access.empty())
        people[one->who->access + " " + one->who->owner() + " " + std::string(to_string(one->who->role))].push_back(
            one);
    }
  }
  for (const auto& [key, theirs] : people) {
    const bool good = co_await still(state, theirs.front()->who);
    if (good) continue;
    for (const auto& one : theirs) asio::post(one->loop, [one] { one->over.set(); });
  }
  co_return jobs::Next::done();
}

/// Runs `work`, and cuts it off when `over` completes first.
asio::awaitable<void> race(asio::awaitable<void> work, asio::awaitable<void> over) {
  auto failure = std::make_shared<std::exception_ptr>();
  auto ignored = std::make_shared<std::exception_ptr>();
  auto either = quiet(std::move(work), failure) || quiet(std::move(over), ignored);
  const auto first = co_await std::move(either);
  if (first.index() == 0 && *failure) std::rethrow_exception(*failure);
}

asio::awaitable<void> end_socket(StatePtr state, Who who, std::shared_ptr<http::WebSocket> socket) {
  co_await until_over(state, std::move(who));
  co_await socket->close(kPolicyViolation, "signed out, or no longer yours");
}

}  // namespace

void Service::declare_jobs(jobs::Service& jobs) {
  jobs::Kind kind;
  kind.name = "identity.watch";
  kind.about = "Ends answers and connections whose right is gone.";
  kind.handler = [state = state_](jobs::Firing) { return look_at_watched(state); };
  jobs.declare_poll(std::move(kind), kLookEvery);
}

asio::awaitable<Result<>> Service::watch(std::any principal, http::Response& response) {
  const auto state = state_;
  const auto* found = std::any_cast<Who>(&principal);
  if (found == nullptr || !*found) co_return Result<>{};
  const auto who = *found;
  if (response.stream) {
    response.stream = [state, who, inner = std::move(response.stream)](std::shared_ptr<http::BodyWriter> writer) {
      return race(inner(std::move(writer)), until_over(state, who));
    };
  } else if (response.websocket) {
    response.websocket = [state, who, inner = std::move(response.websocket)](std::shared_ptr<http::WebSocket> socket) {
      return race(inner(socket), end_socket(state, who, socket));
    };
  } else if (response.headers.has("Set-Cookie")) {
    // It has ended this session itself, and hands over the next one: a new password, however long its hashing took.
    co_return Result<>{};
  } else if (!(co_await still(state, who))) {
    co_return fail(Code::kUnauthenticated, "not-signed-in",
                   "You were signed out, or your rights have changed, while this was under way.");
  }
  co_return Result<>{};
}

}  // namespace tiltyard::identity
