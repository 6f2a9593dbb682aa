#pragma once

#include <optional>

#include "labs/address_plan.h"
#include "labs/ground.h"
#include "labs/step.h"

namespace tiltyard::engine {
struct UsedRange;
}

namespace tiltyard::labs {

class Instances;

/// Gives every name, address and port that an instance will use, and takes them back.
class Planner : OnGround {
 public:
  explicit Planner(Ground& ground) : OnGround(ground) {}

  /// Before anything is planned; an error for a pool of addresses that makes no sense.
  Result<> open();
  /// Of what waits in a pool, the ports are given at the claim, when there is an owner.
  asio::awaitable<Result<>> plan(LiveRef live);
  /// To each raw TCP endpoint without one: the port that the owner had before, if it is free.
  asio::awaitable<Result<>> give_ports(Instance* instance);
  /// What an earlier process gave is taken.
  void restore(Plan& plan);
  void release_ports(const Instance& instance);
  void release(const Live& live);
  /// Somebody else uses these ranges.
  void avoid(const Plan& plan);
  /// What others use of our addresses, so that no spawn has to find out. Read when the engine is met and when it says
  /// that an address is taken.
  asio::awaitable<void> look_at_ranges(engine::Engine& engine, const Instances& instances);
  /// Whether the plan gives names like this one to networks that instances share.
  bool names(const std::string& network) const { return addresses_->names(network); }

 private:
  asio::awaitable<void> make_ahead(engine::NetworkSpec network);
  bool is_ours(const engine::UsedRange& range, const Instances& instances) const;

  std::optional<AddressPlan> addresses_;
  const Shared<std::string> engine_{parts_.engines.chosen()};  ///< where what is new is made; all plans share the name
};

}  // namespace tiltyard::labs
