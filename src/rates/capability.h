#pragma once

#include <memory>

#include "house/capability.h"
#include "identity/capability.h"
#include "rates/rates.h"

namespace tiltyard::rates {

/// How often what may be called. It stands at the doors behind identity.
class Capability final : public house::Capability {
 public:
  explicit Capability(identity::Capability& identity) : identity_(identity) {}

  std::string_view name() const override { return "rates"; }
  std::vector<store::Migration> migrations() const override { return limits::migrations(); }
  /// Without limits nobody would be safe.
  std::vector<house::Switch> switches() const override { return {}; }
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;

 private:
  identity::Capability& identity_;
  limits::Service* limits_ = nullptr;
  const house::Routes* routes_ = nullptr;
  std::unique_ptr<Door> door_;
};

}  // namespace tiltyard::rates
