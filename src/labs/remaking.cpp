#include "labs/remaking.h"

#include "base/failpoint.h"
#include "labs/reasons.h"

namespace tiltyard::labs {

asio::awaitable<Result<>> Remaking::begin(InstanceId id, bus::Actor actor) {
  auto found = co_await instances_.up_and_free(std::move(id));
  if (!found) co_return fail(std::move(found.error()));
  const auto live = *found;
  auto& instance = live->instance;
  if (instance.state != InstanceState::kRunning)
    co_return fail(Code::kUnavailable, "instance-busy", "The instance fell asleep again; try again in a moment.");
  if (!live->tmpl) {
    co_return fail(Code::kConflict, reason::kTemplateChanged,
                   "The template changed since the instance was started; its machines cannot be made again.");
  }
  if (auto allowed = parts_.look_for_vetoes(); !allowed) co_return allowed;
  Hold hold(live, Doing::kSpawning);
  auto timings = std::exchange(instance.timings, {});
  instance.state = InstanceState::kStarting;
  live->step_clock = std::chrono::steady_clock::now();
  auto saved = co_await failpoint("labs.remake.commit.before");
  if (saved) saved = co_await instances_.save(live, events::kPreparing, std::move(actor));
  if (!saved) {
    instance.state = InstanceState::kRunning;
    instance.timings = std::move(timings);
    co_return saved;
  }
  co_await failpoint("labs.remake.commit.after");
  queue_.take_place();
  instances_.start(std::move(hold), "remake", queue_.spawn(live));
  co_return Result<>{};
}

}  // namespace tiltyard::labs
