// The step that lets the author's own solver try an instance before a player gets it (row 1.17).
#include <fmt/format.h>

#include <algorithm>

#include "base/backoff.h"
#include "labs/last_words.h"
#include "labs/machine_spec.h"
#include "labs/reasons.h"
#include "labs/steps.h"

namespace tiltyard::labs {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

std::string upper(std::string_view name) {
  std::string out;
  for (const char c : name)
    out.push_back(std::isalnum(static_cast<unsigned char>(c))
                      ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                      : '_');
  return out;
}

/// What the solver is told: TILTYARD_{NAME} is what ${NAME} stands for, as steps offer it (TILTYARD_FLAG is what it has
/// to find); TILTYARD_HOST and TILTYARD_PORT say where the first
/// endpoint is, TILTYARD_{ENDPOINT}_HOST and _PORT where each is.
std::vector<std::string> told(Spawn& spawn) {
  std::vector<std::string> out;
  for (const auto& [name, value] : spawn.words()) {
    if (!value.empty()) out.push_back("TILTYARD_" + name + "=" + value.reveal());
  }
  for (const auto& endpoint : spawn.facts().plan.endpoints) {
    if (&endpoint == &spawn.facts().plan.endpoints.front()) {
      out.push_back("TILTYARD_HOST=" + endpoint.address);
      out.push_back(fmt::format("TILTYARD_PORT={}", endpoint.machine_port));
    }
    out.push_back(fmt::format("TILTYARD_{}_HOST={}", upper(endpoint.name), endpoint.address));
    out.push_back(fmt::format("TILTYARD_{}_PORT={}", upper(endpoint.name), endpoint.machine_port));
  }
  return out;
}

class SolveStep final : public Step {
 public:
  SolveStep(engine::Engines& engines, bool every_start) : engines_(engines), every_start_(every_start) {}

  std::string name() const override { return "solve"; }
  std::vector<std::string> after() const override { return {"ready"}; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    const bool its_turn = every_start_ || (spawn->facts().pool == PoolRole::kWaiting && !spawn->starts_at_claim());
    const bool asked = its_turn && spawn->origin() && spawn->origin()->solver;
    if (!asked) co_return Result<>{};
    const auto tmpl = spawn->origin();
    auto made = co_await of(*spawn).create(solver_spec(*spawn, *tmpl));
    if (!made) co_return fail(std::move(made.error()));
    const auto handle = made->handle;
    auto done = co_await of(*spawn).start(handle);
    if (done) done = co_await verdict(spawn, handle, tmpl->solver->timeout);
    auto removed = co_await of(*spawn).destroy(handle);
    if (done && !removed) co_return removed;
    co_return done;
  }

  /// For one that was cut in the middle; nobody else has a solver's machine.
  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    const bool never = !every_start_ && spawn->facts().pool == PoolRole::kNone;
    if (never || (spawn->origin() && !spawn->origin()->solver)) co_return Result<>{};
    if (auto away = of(*spawn).away()) co_return fail(std::move(*away));
    auto handle = co_await of(*spawn).recover(name_of(spawn->facts()));
    if (!handle) co_return fail(std::move(handle.error()));
    if (!*handle) co_return Result<>{};
    co_return co_await of(*spawn).destroy(**handle);
  }

 private:
  std::string name_of(const Instance& instance) const {
    return fmt::format("{}-{}-solve", engines_.terms_of(instance.plan.engine).name_space, instance.id.str());
  }

  /// It sees the network as the first endpoint's machine does, and no more: no network of its own, no file of the host.
  engine::MachineSpec solver_spec(Spawn& spawn, const templates::Template& tmpl) const {
    engine::MachineSpec spec{tmpl.solver->service.machine, tmpl.solver->service.container};
    auto& container = spec.container();
    spec.name = name_of(spawn.facts());
    spec.labels = labels_of(spawn.facts());
    spec.labels[engine::kLabelMachine] = "solve";
    spec.exposed.clear();
    for (auto& variable : told(spawn)) container.environment.push_back(std::move(variable));
    const auto& plan = spawn.facts().plan;
    const auto target = plan.endpoints.empty() ? plan.machines.front().service : plan.endpoints.front().machine;
    for (const auto& machine : plan.machines) {
      if (machine.service == target) container.network_of = machine.name;
    }
    return spec;
  }

  asio::awaitable<Result<>> verdict(SpawnRef spawn, engine::Handle handle, std::chrono::seconds timeout) {
    const auto end = SteadyClock::now() + timeout;
    Growing delay(milliseconds{20}, milliseconds{500}, 1.5);
    while (SteadyClock::now() < end) {
      if (spawn->given_up()) co_return fail(Code::kCancelled, reason::kCancelled, "The start was given up.");
      auto status = co_await of(*spawn).inspect(handle);
      if (!status && status.error().code != Code::kUnavailable) co_return fail(std::move(status.error()));
      const bool ended =
          status && (status->state == engine::MachineState::kExited || status->state == engine::MachineState::kDead);
      if (ended && status->exit_code == 0) co_return Result<>{};
      if (ended) {
        const auto said = co_await output_of(spawn, handle);
        co_return fail(Code::kInvalid, "solver-failed",
                       fmt::format("The template's solver ended with exit code {}. {}", status->exit_code, said));
      }
      co_await sleep_for(delay.next());
    }
    const auto said = co_await output_of(spawn, handle);
    co_return fail(
        Code::kTimeout, "solver-failed",
        fmt::format("The template's solver did not end within {} s (`timeout` in [solve]). {}", timeout.count(), said));
  }

  asio::awaitable<std::string> output_of(SpawnRef spawn, engine::Handle handle) {
    const auto said = co_await last_words(of(*spawn), std::move(handle));
    co_return said.empty() ? std::string("It said nothing.") : "It said: " + said;
  }

  engine::Engine& of(const Spawn& spawn) const { return engines_.of(spawn.facts().plan.engine); }

  engine::Engines& engines_;
  bool every_start_;
};

}  // namespace

std::unique_ptr<Step> solve_step(engine::Engines& engines, bool every_start) {
  return std::make_unique<SolveStep>(engines, every_start);
}

}  // namespace tiltyard::labs
