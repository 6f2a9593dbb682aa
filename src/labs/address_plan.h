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
/// from a plan of our own, and the engine's names of both at random. The pool (10.64.0.0/12 by default) is cut into
/// networks of a /27 each (28 machines), so that no machine has more than thirty neighbours to fill the host's one
/// table of them with:
///   the first sixteenth: shared ones, one set without and one with egress, for instances of a single machine;
///   the rest: one for each network of a stack, and for each single machine that could forge what it sends.
/// What others use of the pool is left out; the shared networks that this costs are made from the end of the rest.
/// Lives on the home loop. What is given out stands in the instances' plans; after a restart they are told again.
class AddressPlan {
 public:
  /// `pool` is a CIDR of at most /16 ("10.64.0.0/12"). `prefix` goes into names, and so does a short form of `server`,
  /// its identity: those of two servers on one engine differ. A shared network takes `machines_per_bridge`
  /// machines (1 to 28).
  static Result<AddressPlan> make(const std::string& pool, const std::string& prefix, const std::string& server,
                                  std::uint32_t machines_per_bridge = 28);

  /// Fills in the plan's networks and the machines' addresses for the template's services. `addresses-exhausted` when
  /// the pool is used up, `stack-too-large` for more than 28 machines on one network.
  Result<> place(const templates::Template& tmpl, Plan& plan);
  /// After a restart: what this plan uses is taken; what it shares with others it has in common with them again.
  void restore(Plan& plan);
  void release(const Plan& plan);
  enum class Overlap { kNone, kPart, kWhole };
  /// How much of the pool this range ("10.64.8.0/22") covers.
  Overlap overlap(const std::string& subnet) const;
  /// Whether a shared network of an instance of before, when they were larger, has this name.
  bool names(const std::string& network) const { return of_before_.contains(network); }
  /// Whether a range is cut as this plan cuts the pool.
  static bool cuts(const std::string& subnet);
  /// The next shared network, once for each, when few addresses are left on those that are given out: to be made before
  /// a spawn has to wait for it.
  std::optional<engine::NetworkSpec> soon_wanted(bool egress);
  /// Somebody else uses this range: never give any of it out again while this process lives.
  void avoid(const std::string& subnet);

 private:
  using SharedKey = std::pair<bool, std::uint32_t>;  ///< egress, index

  AddressPlan(std::string pool, std::uint32_t base, std::uint32_t size, std::string prefix, const std::string& server,
              std::uint32_t machines_per_bridge);

  Result<> place_single(const templates::Template& tmpl, Plan& plan);
  Result<> place_alone(const templates::Template& tmpl, Plan& plan);
  Result<> place_stack(const templates::Template& tmpl, Plan& plan);
  Result<std::uint32_t> take_stack_block();
  std::optional<std::uint32_t> avoided_until(std::uint32_t start, std::uint32_t size) const;
  Error exhausted(std::string_view what) const;
  std::uint32_t shared_start(SharedKey key) const;
  engine::NetworkSpec shared_network(SharedKey key) const;
  bool borrow_from_stacks(SharedKey key);
  bool take_shared(SharedKey key, const engine::NetworkSpec& spec);
  template <class Use>
  void each_usable(bool egress, Use use);
  const Shared<PlannedNetwork>& planned(engine::NetworkSpec shared);
  engine::NetworkSpec stack_network(std::uint32_t index, bool egress) const;
  std::string random_name() const;

  std::string pool_;
  std::uint32_t base_, size_, shared_count_, stack_base_, stack_count_, shared_hosts_;
  std::string prefix_, tag_;
  std::map<SharedKey, std::uint32_t> shared_;  ///< host numbers in use, a bit for each
  std::map<SharedKey, std::uint32_t> last_host_;
  std::set<SharedKey> announced_;                              ///< by soon_wanted
  std::set<std::string> of_before_;                            ///< names of shared networks of another size
  std::set<SharedKey> borrowed_;                               ///< that lie where stacks would be
  std::map<std::string, Shared<PlannedNetwork>> planned_;      ///< shared networks by name and range
  std::set<std::pair<std::uint64_t, std::uint64_t>> avoided_;  ///< begin and end
  std::set<std::uint32_t> stacks_;
  std::uint32_t next_stack_ = 0;
};

}  // namespace tiltyard::labs
