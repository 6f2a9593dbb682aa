// The step that creates and starts an instance's machines, in the order of what they depend on.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/backoff.h"
#include "engine/reasons.h"
#include "labs/machine_spec.h"
#include "labs/machine_text.h"
#include "labs/machines.h"
#include "labs/reasons.h"
#include "labs/steps.h"

namespace tiltyard::labs {
namespace {

using std::chrono::milliseconds;
using templates::DependsOn;

/// How far one machine of a spawn has come; others wait for it.
struct Progress {
  Progress(asio::any_io_executor home, std::string of) : image(std::move(of)), changed(home) {}

  const std::string image;  ///< that it is made of; empty: the template's
  Signal changed;
  bool started = false, healthy = false, completed = false, failed = false;
};
using ProgressMap = std::map<std::string, std::shared_ptr<Progress>>;

class MachinesStep final : public Step {
 public:
  MachinesStep(engine::Engines& engines, std::string files_folder, milliseconds stop_grace, HasImages* images)
      : engines_(engines), files_folder_(std::move(files_folder)), stop_grace_(stop_grace), images_(images) {}

  std::string name() const override { return "machines"; }
  std::vector<std::string> after() const override { return {"network", "files", "volumes"}; }
  Phase phase() const override { return Phase::kStarting; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    auto made_of = images_ ? co_await images_->made_of(spawn->facts().id) : Result<MadeOf>();
    if (!made_of) co_return fail(std::move(made_of.error()));
    // What ran once is only ever started again, unless it is to give way: a machine that is gone took its owner's work
    // along, and a fresh one in its place would hide that.
    const bool anew = made_of->anew && spawn->origin();
    if (spawn->facts().started_at && !anew) co_return co_await start_again(spawn);
    const auto home = co_await asio::this_coro::executor;
    auto progress = std::make_shared<ProgressMap>();
    for (const auto& service : spawn->origin()->services)
      progress->emplace(service.name, std::make_shared<Progress>(home, made_of->images[service.name]));
    std::vector<asio::awaitable<Result<>>> works;
    for (std::size_t i = 0; i < spawn->origin()->services.size(); ++i) works.push_back(bring_up(spawn, i, progress));
    auto results = co_await all_of(std::move(works));
    // The one that failed first tells why; those that waited for it only say that they did.
    for (auto& result : results) {
      if (!result && result.error().reason != reason::kDependencyFailed) co_return std::move(result);
    }
    auto made = first_error(std::move(results));
    if (made && images_) made = co_await images_->made(spawn->facts().id);
    co_return made;
  }

  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& machine : spawn->plan().machines)
      works.push_back(remove(spawn, machine.name, grace_of(*spawn, machine.service)));
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> check(SpawnRef spawn) override {
    std::vector<engine::MachineStatus> statuses(spawn->plan().machines.size());
    std::vector<asio::awaitable<Result<>>> works;
    for (std::size_t i = 0; i < statuses.size(); ++i) works.push_back(look(spawn, i, &statuses[i]));
    auto results = co_await all_of(std::move(works));
    // A machine that is gone for good weighs more than one that only stands still.
    for (auto& result : results) {
      if (!result && result.error().reason == engine::reason::kMachineMissing) co_return std::move(result);
    }
    auto well = first_error(std::move(results));
    // An engine that began anew has ended all of them. Where one goes on, the others have ended by themselves.
    const bool some_run = std::ranges::any_of(statuses, runs);
    for (std::size_t i = 0; well && i < statuses.size(); ++i) well = judge_end(spawn, i, statuses[i], some_run);
    if (well && all_over(spawn->plan())) well = fail(ended_by_themselves(spawn->plan()));
    co_return well;
  }

 private:
  /// The machines of an instance that has run are there, with their files, and only have to go on.
  asio::awaitable<Result<>> start_again(SpawnRef spawn) {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& machine : spawn->plan().machines) {
      if (!is_over(machine.state)) works.push_back(of(*spawn).start(machine.handle));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> bring_up(SpawnRef spawn, std::size_t index, std::shared_ptr<ProgressMap> progress) {
    const auto& service = spawn->origin()->services[index];
    const auto own = progress->at(service.name);
    auto done = co_await create_and_start(spawn, index, progress);
    if (!done) own->failed = true;
    own->changed.pulse();
    co_return done;
  }

  asio::awaitable<Result<>> create_and_start(SpawnRef spawn, std::size_t index, std::shared_ptr<ProgressMap> progress) {
    const auto tmpl = spawn->origin();
    const auto& service = tmpl->services[index];
    const auto& planned = spawn->plan().machines[index];
    auto spec = machine_spec(*spawn, service, planned, files_folder_);
    if (const auto& image = progress->at(service.name)->image; !image.empty()) spec.image = image;
    if (auto& wanted = spec.container().runtime; wanted.empty())
      wanted = engines_.terms_of(spawn->plan().engine).runtime;
    auto made = co_await of(*spawn).create(std::move(spec));
    if (!made) co_return fail(std::move(made.error()));
    const auto handle = made->handle;
    const bool found = made->found;
    take_over(spawn->plan(), index, std::move(*made));
    auto put = co_await put_files(spawn, service.name, handle, found);
    if (!put) co_return put;
    spawn->plan().machines[index].state = MachineIs::kCreated;
    if (spawn->starts_at_claim()) co_return Result<>{};

    const auto depends = service.depends_on;
    for (const auto& [other, condition] : depends) {
      const auto found = progress->find(other);
      if (found == progress->end()) continue;
      auto met = co_await wait_for(spawn, other, condition, found->second);
      const bool optional = std::find(service.optional_depends.begin(), service.optional_depends.end(), other) !=
                            service.optional_depends.end();
      if (!met && !optional) co_return met;
    }
    if (spawn->given_up()) co_return fail(Code::kCancelled, reason::kCancelled, "The start was given up.");
    auto started = co_await of(*spawn).start(handle);
    if (!started) co_return started;
    const auto own = progress->at(service.name);
    own->started = true;
    own->changed.pulse();
    // One that is quick may have ended by now.
    if (auto& state = spawn->plan().machines[index].state; state == MachineIs::kCreated) state = MachineIs::kRunning;
    co_return Result<>{};
  }

  /// What other steps want in its layer before it starts. What was started has had it, and did with it what it likes.
  asio::awaitable<Result<>> put_files(SpawnRef spawn, std::string service, engine::Handle handle, bool found) {
    auto& added = spawn->additions(service);
    if (added.archive.empty()) co_return Result<>{};
    if (found) {
      auto status = co_await of(*spawn).inspect(handle);
      if (!status) co_return fail(std::move(status.error()));
      if (status->state != engine::MachineState::kCreated) co_return Result<>{};
    }
    engine::Archives* const archives = of(*spawn).archives();
    if (!archives) co_return engine::cannot(of(*spawn), "take files into its machines");
    auto put = co_await archives->put_archive(handle, "/", std::exchange(added.archive, {}));
    co_return put;
  }

  /// What the engine says of a machine that is made holds from now on, also where it was planned otherwise.
  static void take_over(Plan& plan, std::size_t index, engine::Created made) {
    auto& machine = plan.machines[index];
    machine.handle = std::move(made.handle);
    for (auto& at : machine.attachments) {
      if (const auto found = made.addresses.find(at.network); found != made.addresses.end()) at.address = found->second;
    }
    for (auto& endpoint : plan.endpoints) {
      if (endpoint.machine == machine.service && !machine.attachments.empty())
        endpoint.address = machine.attachments.front().address;
    }
  }

  /// Waits until `other` is as far as `condition` asks. Whoever waits does the polling: a machine whose health nobody
  /// needs is never asked.
  asio::awaitable<Result<>> wait_for(SpawnRef spawn, std::string other, DependsOn condition,
                                     std::shared_ptr<Progress> state) {
    while (!state->started && !state->failed && !spawn->given_up()) co_await state->changed.wait_for(milliseconds{500});
    if (spawn->given_up()) co_return fail(Code::kCancelled, reason::kCancelled, "The start was given up.");
    if (state->failed) co_return dependency_failed(other);
    if (condition == DependsOn::kStarted) co_return Result<>{};
    Growing delay(milliseconds{10}, milliseconds{500}, 1.5);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::minutes{10};
    while (std::chrono::steady_clock::now() < limit) {
      if (spawn->given_up()) co_return fail(Code::kCancelled, reason::kCancelled, "The start was given up.");
      auto status = co_await of(*spawn).inspect(engine_handle(spawn, other));
      if (status) {
        auto verdict = judge(*status, other, condition);
        if (!verdict) co_return fail(std::move(verdict.error()));
        if (*verdict) co_return Result<>{};
      } else if (status.error().code != Code::kUnavailable) {
        co_return fail(std::move(status.error()));
      }
      co_await sleep_for(delay.next());
    }
    co_return fail(Code::kTimeout, reason::kDependencyFailed,
                   fmt::format("Machine '{}' was not ready for those that need it within 10 minutes.", other));
  }

  /// Whether the condition is met; an error: it never will be.
  static Result<bool> judge(const engine::MachineStatus& status, const std::string& other, DependsOn condition) {
    const bool ended = status.state == engine::MachineState::kExited || status.state == engine::MachineState::kDead;
    if (condition == DependsOn::kCompleted) {
      if (!ended) return false;
      if (status.exit_code == 0) return true;
      return fail(
          Code::kInvalid, reason::kMachineExited,
          fmt::format("Machine '{}' should have completed, but ended with exit code {}.", other, status.exit_code));
    }
    if (ended) {
      return fail(Code::kInvalid, reason::kMachineExited,
                  fmt::format("Machine '{}' ended with exit code {} before it was healthy.", other, status.exit_code));
    }
    if (status.health == engine::Health::kUnhealthy) {
      const auto said = plain_line(status.check_said, 300);
      return fail(Code::kInvalid, reason::kMachineUnhealthy,
                  fmt::format("Machine '{}' reports that it is unhealthy{}", other,
                              said.empty() ? "; its check says nothing." : ". Its check last said: " + said));
    }
    return status.health == engine::Health::kHealthy || status.health == engine::Health::kNone;
  }

  static Result<> dependency_failed(const std::string& other) {
    return fail(Code::kInvalid, reason::kDependencyFailed,
                fmt::format("Machine '{}', which others need, did not start.", other));
  }

  static engine::Handle engine_handle(const SpawnRef& spawn, const std::string& service) {
    for (const auto& machine : spawn->plan().machines) {
      if (machine.service == service) return machine.handle;
    }
    return {};
  }

  /// How long the machine may take to end by itself; zero for one that never ran for anybody.
  milliseconds grace_of(const Spawn& spawn, const std::string& service) const {
    // What wrote more than it may would go on with it while it is asked.
    const bool over = spawn.facts().reason && spawn.facts().reason->code == kOverDisk;
    if (!spawn.facts().started_at || over) return milliseconds{0};
    if (spawn.origin()) {
      for (const auto& known : spawn.origin()->services) {
        if (known.name == service && known.machine.stop_grace) return *known.machine.stop_grace;
      }
    }
    return stop_grace_;
  }

  asio::awaitable<Result<>> remove(SpawnRef spawn, std::string name, milliseconds grace) {
    auto handle = co_await of(*spawn).recover(name);
    if (!handle) co_return fail(std::move(handle.error()));
    if (!*handle) co_return Result<>{};
    if (grace > milliseconds{0}) {
      // Only a courtesy: what cannot be asked is removed all the same.
      auto asked = co_await of(*spawn).stop(**handle, grace);
      if (!asked && asked.error().code == Code::kUnavailable) co_return asked;
    }
    co_return co_await of(*spawn).destroy(**handle);
  }

  asio::awaitable<Result<>> look(SpawnRef spawn, std::size_t index, engine::MachineStatus* status) {
    const auto machine = spawn->plan().machines[index];
    auto found = co_await of(*spawn).inspect(machine.handle);
    if (!found) co_return fail(std::move(found.error()));
    *status = std::move(*found);
    note(spawn->plan(), machine.name, *status);
    if (status->state != engine::MachineState::kAbsent || is_over(spawn->plan().machines[index].state))
      co_return Result<>{};
    co_return fail(Code::kNotFound, engine::reason::kMachineMissing,
                   fmt::format("Machine '{}' is gone.", machine.service));
  }

  static bool runs(const engine::MachineStatus& status) {
    return status.state == engine::MachineState::kRunning || status.state == engine::MachineState::kPaused ||
           status.state == engine::MachineState::kRestarting;
  }

  static Result<> judge_end(const SpawnRef& spawn, std::size_t index, const engine::MachineStatus& status,
                            bool some_run) {
    auto& machine = spawn->plan().machines[index];
    if (runs(status) || is_over(machine.state)) return {};
    if (spawn->starts_at_claim() && status.state == engine::MachineState::kCreated) return {};
    const bool exited = status.state == engine::MachineState::kExited;
    if (exited && some_run && stays_ended(*spawn, machine.service, status.exit_code)) {
      close_book(machine, status.exit_code);
      return {};
    }
    return fail(Code::kUnavailable, reason::kMachineExited,
                fmt::format("Machine '{}' ended with exit code {}.", machine.service, status.exit_code));
  }

  engine::Engine& of(const Spawn& spawn) const { return engines_.of(spawn.facts().plan.engine); }

  engine::Engines& engines_;
  std::string files_folder_;
  milliseconds stop_grace_;
  HasImages* images_;
};

}  // namespace

std::unique_ptr<Step> machines_step(engine::Engines& engines, std::string files_folder, milliseconds stop_grace,
                                    HasImages* images) {
  return std::make_unique<MachinesStep>(engines, std::move(files_folder), stop_grace, images);
}

}  // namespace tiltyard::labs
