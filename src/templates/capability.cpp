#include "templates/capability.h"

#include <filesystem>

#include "house/ground.h"
#include "observe/metrics.h"
#include "templates/measures.h"

namespace tiltyard::templates {
namespace {

void count(const Catalogue& catalogue) {
  double ready = 0, broken = 0;
  const auto entries = catalogue.list();
  for (const auto& entry : entries) {
    ready += entry.state == State::kReady ? 1 : 0;
    broken += entry.state == State::kBroken ? 1 : 0;
  }
  const auto show = [](const char* state, double number) { metrics::gauge(measures::kTemplates, {state}).set(number); };
  show("all", static_cast<double>(entries.size()));
  show("ready", ready);
  show("broken", broken);
}

}  // namespace

Result<> Capability::make(house::Ground& ground) {
  options_.path = std::filesystem::absolute(options_.path).lexically_normal().string();
  catalogue_ = std::make_unique<Catalogue>(options_, ground.engines, ground.bus, ground.clock, ground.home);
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
