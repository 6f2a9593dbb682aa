#include <string_view>

#include "engine/isolation/firewall.h"
#include "engine/isolation/no_names.h"

namespace tiltyard::engine::isolation {

// Names of bridges: "tys…" shared by instances of one machine each, "tyn…" one instance's own; fourth letter 'e': may
// reach the internet. Priority -10 comes before the engine's own chains, and a drop here is final.
//
// With br_netfilter, frames between two ports of one bridge pass the forward hook as well, with that bridge as both
// interfaces. nft cannot compare two interfaces, but the routing table can say whether the destination lies on the
// interface that a packet came in by: `fib daddr . iif oif missing` means it does not, so it heads for another bridge.
//
// A question for a name that a machine sends to its bridge goes to who knows none (no_names.h).
//
// Multicast and broadcast have no such route, but nothing routes them between bridges either.
//
// The first two lines make the load atomic whatever was there: the table is never absent or half there in between.
static constexpr char kRules[] = R"(add table inet NAME
delete table inet NAME
table inet NAME {
	comment "tiltyard isolation 2"

	set closed {
		type ipv4_addr
		flags interval
		elements = { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12,
			192.0.0.0/24, 192.0.2.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24,
			224.0.0.0/3 }
	}

	chain input {
		type filter hook input priority -10; policy accept;
		iifname "ty*" ct state established,related accept
		iifname "ty*" udp dport NO_NAMES limit rate 1000/second burst 500 packets accept
		iifname "ty*" drop
		iifname != "lo" udp dport NO_NAMES drop
	}

	chain names {
		type nat hook prerouting priority -110;
		iifname "ty*" udp dport 53 fib daddr type local redirect to :NO_NAMES
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
		ip daddr @closed drop
		accept
	}
}
)";

std::string firewall_rules(const std::string& table) {
  std::string text = kRules;
  const auto put = [&text](std::string_view word, const std::string& value) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + value.size())) {
      text.replace(at, word.size(), value);
    }
  };
  put("NO_NAMES", std::to_string(kNoNamesPort));
  put("NAME", table);
  return text;
}

}  // namespace tiltyard::engine::isolation
