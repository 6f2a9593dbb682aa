// The fake engine's machines that stand still. As with the real ones, a thawed machine runs before the engine says so.
#include "engine/fake/fake_machine.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

Result<> refused(std::string why) {
  return fail(Code::kInvalid, reason::kRefused, "The engine refused: " + std::move(why));
}

}  // namespace

bool FakeEngine::is_frozen(const std::string& name) const {
  const auto found = machines_.find(name);
  return found != machines_.end() && found->second->state == MachineState::kPaused && !found->second->thawed;
}

asio::awaitable<Result<>> FakeEngine::pause(Handle handle) {
  std::function<Result<>()> deed = [this, handle]() -> Result<> {
    auto machine = find(handle);
    if (!machine) return fail(std::move(machine.error()));
    const bool again = (*machine)->state == MachineState::kPaused;
    if (!again && (*machine)->state != MachineState::kRunning) return refused("the machine does not run");
    (*machine)->state = MachineState::kPaused;
    (*machine)->thawed = false;
    for (auto& responder : (*machine)->responders) responder->set_paused(true);
    if (!again) tell(**machine, Happening::kPaused);
    return {};
  };
  co_return co_await act<void>("pause", deed);
}

Result<> FakeEngine::resume_machine(Machine& machine) {
  machine.state = MachineState::kRunning;
  machine.thawed = false;
  for (auto& responder : machine.responders) responder->set_paused(false);
  tell(machine, Happening::kResumed);
  return {};
}

asio::awaitable<Result<>> FakeEngine::resume(Handle handle) {
  std::function<Result<>()> deed = [this, handle]() -> Result<> {
    auto machine = find(handle);
    if (!machine) return fail(std::move(machine.error()));
    if ((*machine)->state == MachineState::kRunning) return {};
    if ((*machine)->state != MachineState::kPaused) return refused("the machine is not paused");
    return resume_machine(**machine);
  };
  co_return co_await act<void>("resume", deed);
}

asio::awaitable<Result<>> FakeEngine::thaw(Handle handle) {
  std::function<Result<>()> deed = [this, handle]() -> Result<> {
    auto machine = find(handle);
    if (!machine) return fail(std::move(machine.error()));
    if ((*machine)->state == MachineState::kRunning) return {};
    if ((*machine)->state != MachineState::kPaused) return refused("the machine is not paused");
    (*machine)->thawed = true;
    for (auto& responder : (*machine)->responders) responder->set_paused(false);
    return {};
  };
  co_return co_await act<void>("thaw", deed);
}

}  // namespace tiltyard::engine
