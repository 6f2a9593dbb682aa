#include "labs/address_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

namespace tiltyard::labs {
namespace {

constexpr std::uint32_t kSharedBits = 10;  // a /22
constexpr std::uint32_t kSharedHosts = 1000;
constexpr std::uint32_t kStackBits = 5;  // a /27
constexpr std::uint32_t kStackHosts = 28;
constexpr std::uint32_t kFirstHost = 2;  // .1 is the bridge itself

std::string dotted(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

std::optional<std::uint32_t> parse_dotted(const std::string& text) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &used) != 4) return std::nullopt;
  if (a > 255 || b > 255 || c > 255 || d > 255) return std::nullopt;
  return a << 24 | b << 16 | c << 8 | d;
}

}  // namespace

AddressPlan::AddressPlan(std::uint32_t base, std::uint32_t size, std::string prefix, std::uint32_t machines_per_bridge)
    : base_(base),
      shared_count_((size / 16) >> kSharedBits),
      stack_base_(base + size / 16),
      stack_count_((size - size / 16) >> kStackBits),
      shared_hosts_(std::clamp(machines_per_bridge, 1u, kSharedHosts)),
      prefix_(std::move(prefix)) {}

Result<AddressPlan> AddressPlan::make(const std::string& pool, const std::string& prefix,
                                      std::uint32_t machines_per_bridge) {
  const auto slash = pool.find('/');
  const auto address = parse_dotted(pool.substr(0, slash));
  unsigned bits = 0;
  if (slash != std::string::npos) std::from_chars(pool.data() + slash + 1, pool.data() + pool.size(), bits);
  if (!address || bits < 8 || bits > 16) {
    return fail(Code::kInvalid, "invalid-pool",
                fmt::format("network.pool is '{}'; it must be an IPv4 range from /8 to /16, like 10.64.0.0/12", pool));
  }
  const std::uint32_t size = 1u << (32 - bits);
  return AddressPlan(*address & ~(size - 1), size, prefix, machines_per_bridge);
}

engine::NetworkSpec AddressPlan::shared_network(std::uint32_t index, bool egress) const {
  // Both kinds share the blocks' numbers: even ones without, odd ones with egress.
  const std::uint32_t start = base_ + ((index * 2 + (egress ? 1 : 0)) << kSharedBits);
  engine::NetworkSpec spec;
  spec.name = fmt::format("{}-shared{}-{}", prefix_, egress ? "-out" : "", index);
  spec.subnet = fmt::format("{}/{}", dotted(start), 32 - kSharedBits);
  spec.gateway = dotted(start + 1);
  spec.shared = true;
  spec.egress = egress;
  return spec;
}

engine::NetworkSpec AddressPlan::stack_network(const InstanceId& instance, const std::string& key, std::uint32_t index,
                                               bool egress) const {
  const std::uint32_t start = stack_base_ + (index << kStackBits);
  engine::NetworkSpec spec;
  spec.name = fmt::format("{}-{}-{}", prefix_, instance.str(), key);
  spec.subnet = fmt::format("{}/{}", dotted(start), 32 - kStackBits);
  spec.gateway = dotted(start + 1);
  spec.egress = egress;
  return spec;
}

Result<> AddressPlan::place(const templates::Template& tmpl, const InstanceId& instance, Plan& plan) {
  for (const auto& service : tmpl.services) {
    PlannedMachine machine;
    machine.service = service.name;
    machine.name = fmt::format("{}-{}-{}", prefix_, instance.str(), service.name);
    plan.machines.push_back(std::move(machine));
  }
  if (tmpl.services.size() == 1 && tmpl.networks.size() <= 1) return place_single(tmpl, plan);
  return place_stack(tmpl, instance, plan);
}

Result<> AddressPlan::place_single(const templates::Template& tmpl, Plan& plan) {
  for (std::uint32_t index = 0; index * 2 + 1 < shared_count_; ++index) {
    const auto spec = shared_network(index, tmpl.egress);
    if (avoided_.contains(spec.subnet)) continue;
    auto& used = shared_[{tmpl.egress, index}];
    if (used.size() >= shared_hosts_) continue;
    // The addresses go round: the one that was just given back is the last to be used again, so that nobody's
    // lingering connection reaches the next owner.
    auto& last = last_host_.try_emplace({tmpl.egress, index}, kFirstHost - 1).first->second;
    do { last = last + 1 < kFirstHost + kSharedHosts ? last + 1 : kFirstHost; } while (used.contains(last));
    const std::uint32_t host = last;
    used.insert(host);
    const std::uint32_t start = base_ + ((index * 2 + (tmpl.egress ? 1 : 0)) << kSharedBits);
    plan.networks.push_back(planned(spec));
    plan.machines.front().attachments.push_back({spec.name, dotted(start + host), {}});
    return {};
  }
  return fail(Code::kExhausted, "addresses-exhausted", "All addresses for machines are in use; try again later.");
}

Result<std::uint32_t> AddressPlan::take_stack_block() {
  for (std::uint32_t tries = 0; tries < stack_count_; ++tries) {
    const std::uint32_t index = (next_stack_ + tries) % stack_count_;
    if (stacks_.contains(index)) continue;
    stacks_.insert(index);
    next_stack_ = index + 1;
    return index;
  }
  return fail(Code::kExhausted, "addresses-exhausted", "All networks for stacks are in use; try again later.");
}

Result<> AddressPlan::place_stack(const templates::Template& tmpl, const InstanceId& instance, Plan& plan) {
  for (const auto& network : tmpl.networks) {
    auto index = take_stack_block();
    if (!index) {
      release(plan);
      return fail(std::move(index.error()));
    }
    const bool egress = tmpl.egress && !network.internal;
    const auto spec = stack_network(instance, network.name, *index, egress);
    plan.networks.emplace_back(PlannedNetwork{network.name, spec});
    std::uint32_t host = kFirstHost;
    for (std::size_t i = 0; i < tmpl.services.size(); ++i) {
      for (const auto& use : tmpl.services[i].networks) {
        if (use.network != network.name) continue;
        if (host >= kFirstHost + kStackHosts) {
          release(plan);
          return fail(Code::kInvalid, "stack-too-large",
                      fmt::format("Network '{}' has more than {} machines.", network.name, kStackHosts));
        }
        engine::Attachment attachment{spec.name, dotted(stack_base_ + (*index << kStackBits) + host++), use.aliases};
        attachment.aliases.push_back(tmpl.services[i].name);
        plan.machines[i].attachments.push_back(std::move(attachment));
      }
    }
  }
  return {};
}

/// The same object for all plans that name it.
const Shared<PlannedNetwork>& AddressPlan::planned(engine::NetworkSpec shared) {
  const auto key = shared.name + " " + shared.subnet;
  return planned_.try_emplace(key, PlannedNetwork{"", std::move(shared)}).first->second;
}

void AddressPlan::restore(Plan& plan) {
  for (auto& common : plan.networks) {
    if (common->spec.shared) common = planned(common->spec);
    const PlannedNetwork& network = common;
    const auto start = parse_dotted(network.spec.subnet.substr(0, network.spec.subnet.find('/')));
    if (!start) continue;
    if (!network.spec.shared) {
      if (*start >= stack_base_) stacks_.insert((*start - stack_base_) >> kStackBits);
      continue;
    }
    for (const auto& machine : plan.machines) {
      for (const auto& attachment : machine.attachments) {
        const auto address = parse_dotted(attachment.address);
        if (address && attachment.network == network.spec.name) {
          shared_[{network.spec.egress, (*start - base_) >> (kSharedBits + 1)}].insert(*address - *start);
        }
      }
    }
  }
}

void AddressPlan::release(const Plan& plan) {
  for (const PlannedNetwork& network : plan.networks) {
    const auto start = parse_dotted(network.spec.subnet.substr(0, network.spec.subnet.find('/')));
    if (!start) continue;
    if (!network.spec.shared) {
      if (*start >= stack_base_ && !avoided_.contains(network.spec.subnet)) {
        stacks_.erase((*start - stack_base_) >> kStackBits);
      }
      continue;
    }
    for (const auto& machine : plan.machines) {
      for (const auto& attachment : machine.attachments) {
        const auto address = parse_dotted(attachment.address);
        if (address && attachment.network == network.spec.name) {
          shared_[{network.spec.egress, (*start - base_) >> (kSharedBits + 1)}].erase(*address - *start);
        }
      }
    }
  }
}

void AddressPlan::avoid(const engine::NetworkSpec& network) { avoided_.insert(network.subnet); }

bool AddressPlan::shared_in_use(const std::string& name) const {
  for (const auto& [key, hosts] : shared_) {
    if (!hosts.empty() && shared_network(key.second, key.first).name == name) return true;
  }
  return false;
}

}  // namespace tiltyard::labs
