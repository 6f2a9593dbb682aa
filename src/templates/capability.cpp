#include "templates/capability.h"

#include <filesystem>

#include "house/ground.h"
#include "observe/metrics.h"

namespace tiltyard::templates {
namespace {

Options options_of(const config::Settings& from) {
  Options options;
  options.path = std::filesystem::absolute(from.templates.path).lexically_normal().string();
  options.watch = from.templates.watch;
  options.builds_at_once = from.templates.builds_at_once;
  options.allow_pull = from.templates.allow_pull;
  for (const auto& [id, keys] : from.templates.allow) options.allow[id].keys = keys;
  options.bounds = standard_bounds();
  auto& defaults = options.bounds.defaults;
  auto& ceiling = options.bounds.ceiling;
  defaults.cpus = from.limits.cpus;
  defaults.memory = defaults.memory_swap = static_cast<std::int64_t>(from.limits.memory);
  defaults.pids = from.limits.pids;
  ceiling.cpus = from.limits.max_cpus;
  ceiling.memory = ceiling.memory_swap = static_cast<std::int64_t>(from.limits.max_memory);
  ceiling.pids = from.limits.max_pids;
  return options;
}

void count(const Catalogue& catalogue) {
  double ready = 0, broken = 0;
  const auto entries = catalogue.list();
  for (const auto& entry : entries) {
    ready += entry.state == State::kReady ? 1 : 0;
    broken += entry.state == State::kBroken ? 1 : 0;
  }
  const auto show = [](const char* state, double number) {
    metrics::gauge("tiltyard_templates", "Templates by state", {{"state", state}}).set(number);
  };
  show("all", static_cast<double>(entries.size()));
  show("ready", ready);
  show("broken", broken);
}

}  // namespace

Result<> Capability::make(house::Ground& ground) {
  catalogue_ =
      std::make_unique<Catalogue>(options_of(ground.settings), ground.engine, ground.bus, ground.clock, ground.home);
  catalogue_->declare_jobs(ground.jobs);
  metrics::on_collect([catalogue = catalogue_.get()] { count(*catalogue); });
  return {};
}

asio::awaitable<Result<>> Capability::start() { co_return co_await catalogue_->load(); }

asio::awaitable<Result<>> Capability::open() {
  catalogue_->run();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (catalogue_) co_await catalogue_->close();
}

}  // namespace tiltyard::templates
