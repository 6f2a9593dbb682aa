#pragma once

#include "base/gate.h"
#include "house/capability.h"
#include "labs/capability.h"
#include "traffic/traffic.h"

namespace tiltyard::traffic {

/// What the gateway does at present, for staff.
class Capability final : public house::Capability {
 public:
  explicit Capability(labs::Capability& labs) : labs_(labs) {}

  std::string_view name() const override { return "traffic"; }
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

 private:
  asio::awaitable<void> go_round();
  void look();

  labs::Capability& labs_;
  house::Ground* ground_ = nullptr;
  Sampler sampler_;
  Gate gate_{"traffic"};
};

}  // namespace tiltyard::traffic
