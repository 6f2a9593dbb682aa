#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tiltyard::bpf {

/// A program of the kernel's packet filter (classic BPF).
using Program = std::vector<sock_filter>;

inline constexpr std::size_t kLongestFilter = 1000;
/// So much of a packet is taken.
inline constexpr std::uint32_t kSnapLength = 262'144;

/// Compiles a filter as tcpdump takes it (pcap-filter(7)) for Ethernet; an empty one lets everything pass. It takes no
/// rights. Blocking: names in it are looked up. `filter-refused`, in libpcap's words.
Result<Program> compile(const std::string& text);

/// Whether some host in it is named instead of addressed: the DNS would be asked for it.
bool names_a_host(std::string_view text);

/// Only what is to or from one of these addresses, and of that what `filter` lets pass; `filter` alone has been
/// compiled.
std::string only_of(const std::vector<std::string>& addresses, const std::string& filter);

}  // namespace tiltyard::bpf
