#include <algorithm>
#include <string_view>

#include "engine/isolation/firewall.h"
#include "engine/isolation/no_names.h"

namespace tiltyard::engine::isolation {

// Names of bridges: "tys…" shared by instances of one machine each, "tyn…" one instance's own; fourth letter 'e': may
// reach the internet. Priority -10 comes before the engine's own chains, and a drop here is final.
//
// With br_netfilter, frames between two ports of one bridge pass the same hooks, with that bridge as both interfaces.
// nft cannot compare two interfaces, but the routing table can say whether the destination lies on the interface that a
// packet came in by: `fib daddr . iif oif missing` means it does not, so it heads for another bridge.
//
// Frames that stay on their bridge are decided without the host's table of connections: it is one for everybody, and
// two machines of one stack would fill it. What is tracked (the gateway's connections to machines, and machines' to the
// internet) is bounded for each machine, by its address, which those without further capabilities cannot forge and
// those with them have a bridge for alone. A connection of the gateway's is forgotten soon after its end, so that a
// machine that closes after each answer takes no more places than another.
//
// A question for a name that a machine sends to its bridge goes to who knows none (no_names.h), and its answer back,
// also untracked.
//
// Multicast and broadcast have no such route, but nothing routes them between bridges either.
//
// The first two lines make the load atomic whatever was there: the table is never absent or half there in between.
static constexpr char kRules[] = R"(add table inet NAME
delete table inet NAME
table inet NAME {
	comment "tiltyard isolation 4"

	set packets {
		type ipv4_addr
		size 65536
		flags dynamic,timeout
		timeout 1m
	}

	set questions {
		type ipv4_addr
		size 65536
		flags dynamic,timeout
		timeout 1m
	}

	set openings {
		type ipv4_addr
		size 65536
		flags dynamic,timeout
		timeout 1m
	}

	set to_machines {
		type ipv4_addr
		size 65536
		flags dynamic
	}

	set from_machines {
		type ipv4_addr
		size 65536
		flags dynamic
	}

	ct timeout soon {
		protocol tcp
		l3proto ip
		policy = { syn_sent : 30, fin_wait : 30, time_wait : 10, close : 5 }
	}

	chain arriving {
		type filter hook prerouting priority -300; policy accept;
		iifname != "ty*" accept
		meta nfproto ipv6 drop
		update @packets { ip saddr limit rate over PACKETS/second burst PACKETS packets } drop
		fib daddr . iif oif exists notrack accept
		ip daddr { 224.0.0.0/4, 255.255.255.255 } notrack accept
		udp dport 53 fib daddr type local udp dport set NO_NAMES notrack
	}

	chain answering {
		type filter hook output priority -300; policy accept;
		oifname "ty*" udp sport NO_NAMES udp sport set 53 notrack
	}

	chain output {
		type filter hook output priority -10; policy accept;
		oifname != "ty*" accept
		ct state new meta l4proto tcp add @to_machines { ip daddr ct count over CONNECTIONS } reject with tcp reset
		ct state new meta l4proto != tcp add @to_machines { ip daddr ct count over CONNECTIONS } reject
		ct state new meta l4proto tcp ct timeout set "soon"
	}

	chain input {
		type filter hook input priority -10; policy accept;
		iifname "ty*" ct state established,related accept
		iifname "ty*" udp dport NO_NAMES update @questions { ip saddr limit rate over 100/second burst 200 packets } drop
		iifname "ty*" udp dport NO_NAMES limit rate 2000/second burst 1000 packets accept
		iifname "ty*" drop
		iifname != "lo" udp dport NO_NAMES drop
	}

	chain forward {
		type filter hook forward priority -10; policy accept;
		iifname "ty*" jump leaving
		oifname "ty*" ct state established,related accept
		oifname "ty*" drop
	}

	chain leaving {
		meta nfproto ipv6 drop
		fib saddr . iif oif missing drop
		iifname "tyn*" oifname "tyn*" ip daddr { 224.0.0.0/4, 255.255.255.255 } accept
		oifname "ty*" fib daddr . iif oif missing drop
		iifname "tys*" oifname "ty*" drop
		oifname "ty*" accept
		iifname "tyse*" goto outward
		iifname "tyne*" goto outward
		drop
	}

	chain outward {
		ip daddr { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12,
			192.0.0.0/24, 192.0.2.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24,
			224.0.0.0/3 } drop
		ct state new update @openings { ip saddr limit rate over OPENINGS/second burst OPENINGS packets } drop
		ct state new add @from_machines { ip saddr ct count over CONNECTIONS } drop
		accept
	}
}
)";

std::string firewall_rules(const std::string& table, const MachineLimits& limits) {
  std::string text = kRules;
  const auto put = [&text](std::string_view word, const std::string& value) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + value.size())) {
      text.replace(at, word.size(), value);
    }
  };
  put("NO_NAMES", std::to_string(kNoNamesPort));
  put("NAME", table);
  put("PACKETS", std::to_string(limits.packets));
  put("OPENINGS", std::to_string(limits.openings));
  put("CONNECTIONS", std::to_string(limits.connections));
  return text;
}

std::string without_numbers(std::string_view listing) {
  std::string out;
  while (!listing.empty()) {
    const std::size_t over = listing.find(" over "), burst = listing.find(" burst ");
    const std::size_t at = std::min(over, burst);
    if (at == std::string_view::npos) break;
    const std::size_t number = listing.find(' ', at + 1) + 1;
    out.append(listing.substr(0, number));
    listing.remove_prefix(std::min(listing.find_first_not_of("0123456789", number), listing.size()));
  }
  return out.append(listing);
}

}  // namespace tiltyard::engine::isolation
