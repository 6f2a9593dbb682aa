// Pause, resume, and the short way between them: the cgroup freezer, which the daemon need not be asked for.
#include <boost/json/value.hpp>

#include "engine/docker/answers.h"
#include "engine/docker/connection.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/facts.h"
#include "engine/docker/freezer.h"
#include "engine/reasons.h"

namespace tiltyard::engine {
namespace {

using namespace std::chrono_literals;
using namespace docker;

constexpr auto kAskDeadline = 15s;
// A machine that somebody uses stands still meanwhile.
constexpr auto kStandstillDeadline = 2s;
constexpr int kViewTries = 3;
// On a busy host the kernel may not have frozen all of a group's tasks by the time that the runtime gives up, which
// thaws it.
constexpr int kFreezeTries = 5;
constexpr auto kFreezeAgain = 200ms;

std::string container(const std::string& name, std::string_view what) {
  return "/containers/" + http::percent_encode(name) + std::string(what);
}

bool says(const http::Response& answer, std::string_view words) { return words_of(answer.body).contains(words); }

}  // namespace

asio::awaitable<Result<MachineState>> DockerEngine::look_for_freezer(std::string name) {
  auto answer = co_await connection_->call("GET", container(name, "/json"), {}, kAskDeadline);
  if (!answer) co_return fail(std::move(answer.error()));
  if (answer->status != 200) co_return fail(refusal(About::kMachine, *answer));
  auto found = parse_json(answer->body);
  if (!found) co_return fail(std::move(found.error()));
  freezers_->find(name, text_of(*found, "Id"), number_of(member(*found, "State"), "Pid"));
  co_return machine_status(*found).state;
}

asio::awaitable<Result<>> DockerEngine::pause(Handle handle) {
  const auto turn = co_await freezers_->turn(handle.data);
  const auto path = container(handle.data, "/pause");
  auto answer = co_await connection_->call("POST", path, {}, kAskDeadline);
  for (int tries = 1; answer && tries < kFreezeTries && says(*answer, "unable to freeze"); ++tries) {
    co_await sleep_for(kFreezeAgain);
    answer = co_await connection_->call("POST", path, {}, kAskDeadline);
  }
  if (!answer) co_return fail(std::move(answer.error()));
  const bool again = says(*answer, "already paused");
  if (answer->status != 204 && !again) co_return fail(refusal(About::kMachine, *answer));
  freezers_->note_settled(handle.data);
  if (!freezers_->local()) co_return Result<>{};
  // Found now, so that a thaw later need not ask anybody.
  if (freezers_->known(handle.data).empty()) co_await look_for_freezer(handle.data);
  // The daemon says "already" of a machine that was thawed behind its back, too.
  if (const auto file = freezers_->known(handle.data); again && !file.empty()) write_freezer(file, true);
  co_return Result<>{};
}

asio::awaitable<Result<>> DockerEngine::thaw(Handle handle) {
  if (!freezers_->local()) co_return co_await resume(handle);
  auto file = freezers_->known(handle.data);
  if (file.empty() || !write_freezer(file, false)) {
    // An earlier process paused it, or it is another container by now.
    auto state = co_await look_for_freezer(handle.data);
    if (!state) co_return fail(std::move(state.error()));
    if (*state == MachineState::kRunning) co_return Result<>{};
    file = freezers_->known(handle.data);
    if (*state != MachineState::kPaused || file.empty() || !write_freezer(file, false))
      co_return co_await resume(handle);
  }
  freezers_->note_thawed(handle.data);
  co_return Result<>{};
}

asio::awaitable<Result<>> DockerEngine::resume(Handle handle) {
  const auto turn = co_await freezers_->turn(handle.data);
  if (!freezers_->is_thawed(handle.data)) {
    auto answer = co_await connection_->call("POST", container(handle.data, "/unpause"), {}, kAskDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 204) co_return Result<>{};
    // "is not paused" are the daemon's words, "container not paused" those of the runtime below it, which finds the
    // group thawed; either way the daemon's view is looked at.
    if (!says(*answer, "not paused")) co_return fail(refusal(About::kMachine, *answer));
  }
  co_return co_await bring_view_up_to_date(handle.data);
}

/// The runtime resumes only what it finds frozen (runc's Container.Resume), so a machine that was thawed on the short
/// way is frozen once more for the few milliseconds of the call.
asio::awaitable<Result<>> DockerEngine::bring_view_up_to_date(std::string name) {
  const auto standstill = co_await freezers_->standstill();
  for (int tries = 1;; ++tries) {
    auto state = co_await look_for_freezer(name);
    if (!state) co_return fail(std::move(state.error()));
    const auto file = freezers_->known(name);
    if (*state == MachineState::kRunning) {
      freezers_->note_settled(name);
      co_return Result<>{};
    }
    if (*state != MachineState::kPaused || file.empty()) {
      co_return fail(Code::kInvalid, reason::kRefused, "The engine refused: the machine " + name + " is not paused.");
    }
    Standstill still(file);
    auto answer = co_await connection_->call("POST", container(name, "/unpause"), {}, kStandstillDeadline);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->status == 204) {
      still.ended_by_daemon();
      freezers_->note_settled(name);
      co_return Result<>{};
    }
    // Somebody thawed it in just that moment: once more.
    if (tries == kViewTries || !says(*answer, "not paused")) co_return fail(refusal(About::kMachine, *answer));
  }
}

}  // namespace tiltyard::engine
