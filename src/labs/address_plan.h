#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "labs/model.h"

namespace tiltyard::labs {

/// Row 1.5 and the complaint that Docker's own pools end at about 30 networks: networks and addresses of machines come
/// from a plan of our own. The pool (10.64.0.0/12 by default) is cut into two parts:
///   the first sixteenth: shared networks of a /22 each (at most 1,000 machines: a Linux bridge takes 1,023 ports), one
///   set without and one with egress, for instances of a single machine;
///   the rest: a /27 for each network of a stack (28 machines).
/// What others use of the pool is left out; the shared networks that this costs are made from the end of the rest.
/// Lives on the home loop. What is given out stands in the instances' plans; after a restart they are told again.
class AddressPlan {
 public:
  /// `pool` is a CIDR of at most /16 ("10.64.0.0/12"). `prefix` goes into names, and so does a short form of `server`,
  /// its identity: those of two servers on one engine differ. A shared network takes `machines_per_bridge`
  /// machines (1 to 1,000).
  static Result<AddressPlan> make(const std::string& pool, const std::string& prefix, const std::string& server,
                                  std::uint32_t machines_per_bridge = 1000);

  /// Fills in the plan's networks and the machines' addresses for the template's services. `addresses-exhausted` when
  /// the pool is used up, `stack-too-large` for more than 28 machines on one network.
  Result<> place(const templates::Template& tmpl, const InstanceId& instance, Plan& plan);
  /// After a restart: what this plan uses is taken; what it shares with others it has in common with them again.
  void restore(Plan& plan);
  void release(const Plan& plan);
  enum class Overlap { kNone, kPart, kWhole };
  /// How much of the pool this range ("10.64.8.0/22") covers.
  Overlap overlap(const std::string& subnet) const;
  /// Whether a shared network of an instance of before has this name.
  bool names(const std::string& network) const;
  /// Somebody else uses this range: never give any of it out again while this process lives.
  void avoid(const std::string& subnet);

 private:
  using SharedKey = std::pair<bool, std::uint32_t>;  ///< egress, index

  AddressPlan(std::string pool, std::uint32_t base, std::uint32_t size, std::string prefix, const std::string& server,
              std::uint32_t machines_per_bridge);

  Result<> place_single(const templates::Template& tmpl, Plan& plan);
  Result<> place_stack(const templates::Template& tmpl, const InstanceId& instance, Plan& plan);
  Result<std::uint32_t> take_stack_block();
  std::optional<std::uint32_t> avoided_until(std::uint32_t start, std::uint32_t size) const;
  Error exhausted(std::string_view what) const;
  std::uint32_t shared_start(SharedKey key) const;
  engine::NetworkSpec shared_network(SharedKey key) const;
  bool borrow_from_stacks(SharedKey key);
  void take_shared(SharedKey key, const engine::NetworkSpec& spec);
  const Shared<PlannedNetwork>& planned(engine::NetworkSpec shared);
  engine::NetworkSpec stack_network(const InstanceId& instance, const std::string& key, std::uint32_t index,
                                    bool egress) const;

  std::string pool_;
  std::uint32_t base_, size_, shared_count_, stack_base_, stack_count_, shared_hosts_;
  std::string prefix_, tag_;
  std::map<SharedKey, std::set<std::uint32_t>> shared_;  ///< host numbers in use
  std::map<SharedKey, std::uint32_t> last_host_;
  std::map<SharedKey, engine::NetworkSpec> named_;             ///< as instances of before call them
  std::set<SharedKey> borrowed_;                               ///< that lie where stacks would be
  std::map<std::string, Shared<PlannedNetwork>> planned_;      ///< shared networks by name and range
  std::set<std::pair<std::uint64_t, std::uint64_t>> avoided_;  ///< begin and end
  std::set<std::uint32_t> stacks_;
  std::uint32_t next_stack_ = 0;
};

}  // namespace tiltyard::labs
