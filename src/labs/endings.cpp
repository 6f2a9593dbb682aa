#include "labs/endings.h"

#include <map>

#include "base/failpoint.h"
#include "labs/reasons.h"

namespace tiltyard::labs {
namespace {

/// What somebody stops is kept; what the server ends by itself, its end tells.
bus::KindRef stopping_by(const bus::Actor& actor) { return actor.name.empty() ? events::kEnding : events::kStopping; }

}  // namespace

Endings::Endings(Ground& ground, Instances& instances, Saga& saga, StartQueue& queue, WarmPools& pools)
    : OnGround(ground), instances_(instances), saga_(saga), queue_(queue), pools_(pools) {}

asio::awaitable<Result<Instance>> Endings::stop(InstanceId id, std::string cause, bus::Actor actor) {
  static const std::map<std::string, std::string> kTexts{{"user", "Stopped by its owner."},
                                                         {"admin", "Stopped by staff."},
                                                         {"expiry", "The lease has ended."},
                                                         {"abuse", "Stopped because of abuse."}};
  const auto text = kTexts.find(cause);
  std::string words = text == kTexts.end() ? "Stopped." : text->second;
  return stop_because(std::move(id), Reason{std::move(cause), std::move(words)}, std::move(actor));
}

asio::awaitable<Result<Instance>> Endings::stop_because(InstanceId id, Reason reason, bus::Actor actor) {
  const auto held = instances_.find(id);
  if (!held) {
    auto ended = co_await rows_.find(id);
    if (ended && *ended) co_return **ended;  // stopping twice is no error
    co_return fail(Code::kNotFound, reason::kInstanceUnknown, "There is no such instance.");
  }
  Instance& instance = held->instance;
  if (instance.state == InstanceState::kStopping || held->ending()) co_return instance;
  instance.reason = std::move(reason);
  if (queue_.turn_away(held)) co_return instance;
  // A saga under way sees the request by itself, at the latest after its present step. The reason in the row makes the
  // request outlive a crash.
  if (!held->free()) {
    held->work.ask(Next::kStop);
    held->changed.pulse();
    auto noted = co_await instances_.save(held, stopping_by(actor), actor);
    if (!noted) co_return fail(std::move(noted.error()));
    co_return instance;
  }
  if (instance.pool == PoolRole::kWaiting) pools_.take_off(held);
  Hold hold(held, Doing::kStopping);
  held->changed.pulse();
  const auto before_stop = instance.state;
  instance.state = InstanceState::kStopping;
  auto before = co_await failpoint("labs.stop.accept.before");
  auto saved = before ? co_await instances_.save(held, stopping_by(actor), actor) : std::move(before);
  if (!saved) {
    instance.state = before_stop;
    instance.reason.reset();
    co_return fail(std::move(saved.error()));
  }
  co_await failpoint("labs.stop.accept.after");
  instances_.start(std::move(hold), "stop", saga_.unmake(held, InstanceState::kStopped));
  co_return instance;
}

}  // namespace tiltyard::labs
