#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "labs/model.h"

namespace tiltyard::labs {

/// Row 1.5 and the complaint that Docker's own pools end at about 30 networks: networks and addresses of machines come
/// from a plan of our own. The pool (10.64.0.0/12 by default) is cut into two parts:
///   the first sixteenth: shared networks of a /22 each (at most 1,000 machines: a Linux bridge takes 1,023 ports), one
///   set without and one with egress, for instances of a single machine;
///   the rest: a /27 for each network of a stack (28 machines).
/// Lives on the home loop. What is given out stands in the instances' plans; after a restart they are told again.
class AddressPlan {
 public:
  /// `pool` is a CIDR of at most /16 ("10.64.0.0/12"). `prefix` goes into names: two servers on one engine differ in
  /// it. A shared network takes `machines_per_bridge` machines (1 to 1,000).
  static Result<AddressPlan> make(const std::string& pool, const std::string& prefix,
                                  std::uint32_t machines_per_bridge = 1000);

  /// Fills in the plan's networks and the machines' addresses for the template's services. `addresses-exhausted` when
  /// the pool is used up, `stack-too-large` for more than 28 machines on one network.
  Result<> place(const templates::Template& tmpl, const InstanceId& instance, Plan& plan);
  /// After a restart: what this plan uses is taken; what it shares with others it has in common with them again.
  void restore(Plan& plan);
  void release(const Plan& plan);
  /// The engine says that somebody else uses this range: never give it out again while this process lives.
  void avoid(const engine::NetworkSpec& network);
  /// Shared networks that no instance uses.
  bool shared_in_use(const std::string& name) const;
  /// The shared network that the next single machine would get.
  engine::NetworkSpec shared_network(std::uint32_t index, bool egress) const;

 private:
  AddressPlan(std::uint32_t base, std::uint32_t size, std::string prefix, std::uint32_t machines_per_bridge);

  Result<> place_single(const templates::Template& tmpl, Plan& plan);
  Result<> place_stack(const templates::Template& tmpl, const InstanceId& instance, Plan& plan);
  Result<std::uint32_t> take_stack_block();
  const Shared<PlannedNetwork>& planned(engine::NetworkSpec shared);
  engine::NetworkSpec stack_network(const InstanceId& instance, const std::string& key, std::uint32_t index,
                                    bool egress) const;

  std::uint32_t base_, shared_count_, stack_base_, stack_count_, shared_hosts_;
  std::string prefix_;
  /// Shared networks by (egress, index): host numbers in use.
  std::map<std::pair<bool, std::uint32_t>, std::set<std::uint32_t>> shared_;
  std::map<std::pair<bool, std::uint32_t>, std::uint32_t> last_host_;
  std::map<std::string, Shared<PlannedNetwork>> planned_;  ///< shared networks by name and range
  std::set<std::string> avoided_;                          ///< subnets
  std::set<std::uint32_t> stacks_;
  std::uint32_t next_stack_ = 0;
};

}  // namespace tiltyard::labs
