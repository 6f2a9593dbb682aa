#pragma once

#include <memory>

#include "house/capability.h"
#include "labs/capability.h"
#include "labs/labs.h"
#include "labs/step.h"
#include "snapshots/events.h"
#include "snapshots/measures.h"
#include "snapshots/snapshots.h"

namespace tiltyard::snapshots {

/// Machines' file systems, kept as they were and given out whole.
class Capability final : public house::Capability, public labs::HasSteps, public labs::HasImages {
 public:
  explicit Capability(labs::Capability& labs) : labs_(labs) {}

  std::string_view name() const override { return "snapshots"; }
  void keys(config::Keys& keys) override;
  std::vector<store::Migration> migrations() const override { return snapshots::migrations(); }
  bus::EventKinds events() const override { return snapshots::events::kAll; }
  metrics::Metrics measures() const override { return snapshots::measures::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override { return service_->start(); }
  asio::awaitable<void> close() override;
  labs::Steps steps(const std::string& instances_folder) override;
  asio::awaitable<Result<labs::MadeOf>> made_of(InstanceId id) override { return service_->made_of(std::move(id)); }
  asio::awaitable<Result<>> made(InstanceId id) override { return service_->made(std::move(id)); }

 private:
  labs::Capability& labs_;
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::snapshots
