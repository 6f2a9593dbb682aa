#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/process.h"
#include "base/result.h"

namespace tiltyard::farm {

/// What senders may call, by whatever program they are: the kernel refuses the rest at once. It goes by their account.
struct FenceRules {
  uid_t user = 0;
  std::string farm_address;  ///< of the server, as senders call it: an address
  std::uint16_t farm_port = 0;
  std::vector<std::string> allowed;      ///< addresses and networks that are open although they would be refused
  std::vector<std::string> nameservers;  ///< addresses; port 53 of theirs is open
  std::vector<std::string>
      jury;  ///< addresses; empty: everything that is not refused is open, for a jury known by its name
};

/// The name of the table (family inet), which no other server has as long as the accounts differ.
std::string fence_table(uid_t user);
/// The table as `nft -f` takes it: loaded as a whole, whatever was there. Pure.
std::string fence_text(const FenceRules& rules);
/// Puts it in force with nft. Blocks, at most 5 s. `senders-fence-missing`.
Result<> raise_fence(const FenceRules& rules);
void drop_fence(uid_t user);

/// The name servers of a resolv.conf(5), its first three.
std::vector<std::string> nameservers_of(std::string_view resolv_conf);
/// The jury's address, where the settings of [jury] (JSON) name it by one in `host` or `url`; empty otherwise.
std::vector<std::string> jury_addresses(std::string_view settings);

}  // namespace tiltyard::farm
