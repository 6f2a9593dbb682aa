#pragma once

#include <map>
#include <string>

#include "labs/address_plan.h"
#include "labs/ground.h"
#include "labs/live.h"

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
  asio::awaitable<void> look_at_ranges(std::string engine, const Instances& instances);
  /// Whether the plan gives names like this one to networks that instances share.
  bool names(const std::string& network) const;

 private:
  /// All that is on one engine has its name and its addresses in common.
  struct Place {
    Shared<std::string> engine;
    AddressPlan addresses;
  };
  /// Null where the engine is not configured: nothing of it can be given out, nor to somebody else.
  Place* place_of(const Plan& plan);
  asio::awaitable<void> make_ahead(std::string on, engine::NetworkSpec network);
  bool is_ours(const engine::UsedRange& range, const Place& place, const Instances& instances) const;

  std::map<std::string, Place> places_;  ///< by engine
};

}  // namespace tiltyard::labs
