#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tiltyard::engine::isolation {

/// Runs nft with `arguments` (one word each, separated by spaces), where "-" stands for a file of `input`, and gives
/// what it printed. Blocks, at most 5 s. `isolation-missing` with nft's own words as cause when there is no such
/// program or it fails, e.g. without CAP_NET_ADMIN.
Result<std::string> run_nft(const std::string& program, const std::string& arguments, const std::string& input);

/// Whether a message from the kernel's nf_tables group is about the table `name` of family inet. `bytes` may hold
/// several messages. Format: linux/netfilter/nf_tables.h.
bool speaks_of_table(std::string_view bytes, std::string_view name);

/// A non-blocking netlink socket that hears of every change of nf_tables; -1 where the kernel refuses.
int open_nft_events();

}  // namespace tiltyard::engine::isolation
