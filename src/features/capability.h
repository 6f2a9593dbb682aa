#pragma once

#include <memory>

#include "features/events.h"
#include "features/features.h"
#include "house/capability.h"

namespace tiltyard::features {

/// The switches of all capabilities, and who has what switched on.
class Capability final : public house::Capability {
 public:
  std::string_view name() const override { return "features"; }
  std::vector<store::Migration> migrations() const override { return features::migrations(); }
  /// Whoever switched it off could not switch it on again.
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return features::events::kAll; }
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;

  Service& service() { return *service_; }

 private:
  const house::Routes* routes_ = nullptr;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::features
