#include "flags/capability.h"

#include "flags/step.h"
#include "house/ground.h"
#include "privileged/files.h"

namespace tiltyard::flags {
Result<> Capability::make(house::Ground& ground) {
  for (const auto* one : ground.offering<privileged::HasFiles>()) apart_ = one->files();
  options_.folder = ground.data + "/flags";
  service_ = std::make_unique<Service>(options_, Parts{ground.store, ground.engines, templates_.catalogue(), ground.bus,
                                                       ground.files, ground.clock, ground.home});
  return {};
}

asio::awaitable<Result<>> Capability::start() {
  co_await service_->recall();
  co_return Result<>{};
}

asio::awaitable<Result<>> Capability::open() {
  service_->run();
  co_return Result<>{};
}

asio::awaitable<void> Capability::close() {
  if (service_) co_await service_->close();
}

labs::Steps Capability::steps(const std::string& instances_folder) {
  labs::Steps steps;
  steps.push_back(flags_step(*service_, instances_folder, apart_));
  steps.push_back(flags_kept_step(*service_, instances_folder));
  return steps;
}

labs::PoolChoice Capability::pool_choice(const templates::Template& tmpl) { return service_->pool_kind_of(tmpl); }

asio::awaitable<Result<>> Capability::forget(std::string owner) { return service_->forget(std::move(owner)); }

}  // namespace tiltyard::flags
