#pragma once

#include <memory>

#include "doors/events.h"
#include "doors/service.h"
#include "house/capability.h"
#include "identity/capability.h"
#include "labs/capability.h"

namespace tiltyard::doors {

/// Who is let in to an instance that is its owner's alone, and whom its owner lets in beside that.
class Capability final : public house::Capability {
 public:
  Capability(identity::Capability& identity, labs::Capability& labs) : identity_(identity), labs_(labs) {}

  std::string_view name() const override { return "doors"; }
  std::vector<store::Migration> migrations() const override { return doors::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  bus::EventKinds events() const override { return doors::events::kAll; }
  /// Without it owners would stand before closed doors.
  std::vector<house::Switch> switches() const override { return {}; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

 private:
  identity::Capability& identity_;
  labs::Capability& labs_;
  house::Ground* ground_ = nullptr;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::doors
