#include "farm/fence.h"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/isolation/nft.h"
#include "net/client.h"
#include "net/reach.h"

namespace tiltyard::farm {
namespace {

namespace json = boost::json;

bool is_v6(std::string_view range) { return range.contains(':'); }

/// A rule for each range: in one set two that overlap would be refused.
std::string for_ranges(const std::vector<std::string>& ranges, std::string_view verdict) {
  std::string out;
  for (const auto& range : ranges)
    out += fmt::format("\t\t{} daddr {} {}\n", is_v6(range) ? "ip6" : "ip", range, verdict);
  return out;
}

}  // namespace

std::string fence_table(uid_t user) { return fmt::format("tiltyard_senders_{}", user); }

std::string fence_text(const FenceRules& rules) {
  // What the kernel sends by itself has no account, and must not get into the chain of rules: hence a jump for the one
  // account and not an exit for all others, which it would not take.
  std::string out = fmt::format(
      "add table inet {0}\ndelete table inet {0}\ntable inet {0} {{\n\tchain output {{\n"
      "\t\ttype filter hook output priority -10; policy accept;\n\t\tmeta skuid {1} jump senders\n\t}}\n\tchain "
      "senders {{\n",
      fence_table(rules.user), rules.user);
  out += for_ranges({rules.farm_address}, fmt::format("tcp dport {} accept", rules.farm_port));
  out += for_ranges(rules.nameservers, "meta l4proto { tcp, udp } th dport 53 accept");
  out += for_ranges(rules.allowed, "accept");
  out += for_ranges(net::closed_ranges(), "reject");
  out += "\t\tfib daddr type local reject\n";
  for (const auto& prefix : net::machine_interfaces()) out += fmt::format("\t\toifname \"{}*\" reject\n", prefix);
  if (!rules.jury.empty()) out += for_ranges(rules.jury, "accept") + "\t\treject\n";
  return out + "\t}\n}\n";
}

Result<> raise_fence(const FenceRules& rules) {
  auto done = engine::isolation::run_nft("nft", "-f -", fence_text(rules));
  if (done) return {};
  return fail(
      Code::kUnavailable, "senders-fence-missing",
      "Senders are not started: the firewall table that keeps them from everything but the jury cannot be made "
      "(nft needs CAP_NET_ADMIN). Run them beside the server, by the unit deploy/tiltyard-sender@.service or with "
      "sender.pyz, and set senders.count to 0.",
      done.error().cause);
}

void drop_fence(uid_t user) {
  const auto table = fence_table(user);
  [[maybe_unused]] const auto done =
      engine::isolation::run_nft("nft", "-f -", fmt::format("add table inet {0}\ndelete table inet {0}\n", table));
}

std::vector<std::string> nameservers_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < 3) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with("nameserver")) continue;
    line = trim(line.substr(10));
    const auto address = net::parse_address(line.substr(0, line.find_first_of(" \t")));
    if (address) out.push_back(address->to_string());
  }
  return out;
}

std::vector<std::string> jury_addresses(std::string_view settings) {
  boost::system::error_code error;
  const auto value = json::parse(settings, error);
  if (error || !value.is_object()) return {};
  const auto text = [&](std::string_view key) {
    const auto* found = value.get_object().if_contains(key);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
  };
  // As the senders of the known protocols read it: a url goes before a host.
  const auto url = text("url");
  const auto target = url.empty() ? Result<http::Target>(http::Target{{}, text("host"), 0, false, {}, {}, {}})
                                  : http::Target::parse(url);
  const auto address = target ? net::parse_address(target->host) : std::nullopt;
  if (!address) return {};
  return {address->to_string()};
}

}  // namespace tiltyard::farm
