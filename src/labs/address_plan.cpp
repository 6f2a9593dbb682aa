#include "labs/address_plan.h"

#include <fmt/format.h>
#include <sodium/randombytes.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdio>
#include <optional>

#include "labs/labs.h"
#include "templates/templates.h"

namespace tiltyard::labs {
namespace {

constexpr std::uint32_t kBits = 5;  // a /27
constexpr std::uint32_t kHosts = 28;
constexpr std::size_t kFewLeft = 16;
constexpr std::uint32_t kFirstHost = 2;  // .1 is the bridge itself
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
constexpr std::size_t kTagLetters = 5;
constexpr std::size_t kNameLetters = 14;  // 84 bits; with the usual prefix as long as a string in 24 bytes can be

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

/// Five characters that tell this server's shared networks from another's: FNV-1a of its identity.
std::string tag_of(const std::string& server) {
  std::uint32_t hash = 2166136261u;
  for (const char c : server) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return fmt::format("{:0{}x}", hash & 0xfffff, kTagLetters);
}

struct Block {
  std::uint64_t begin, end;
};

/// "10.64.0.0/12" as the addresses that it has; nullopt where it is no such range.
std::optional<Block> parse_block(const std::string& subnet) {
  const auto slash = subnet.find('/');
  const auto address = parse_dotted(subnet.substr(0, slash));
  unsigned bits = 33;
  if (slash != std::string::npos) std::from_chars(subnet.data() + slash + 1, subnet.data() + subnet.size(), bits);
  if (!address || bits > 32) return std::nullopt;
  const std::uint64_t size = std::uint64_t{1} << (32 - bits);
  const std::uint64_t begin = *address & ~(size - 1);
  return Block{begin, begin + size};
}

}  // namespace

AddressPlan::AddressPlan(std::string pool, std::uint32_t base, std::uint32_t size, std::string prefix,
                         const std::string& server, std::uint32_t machines_per_bridge)
    : pool_(std::move(pool)),
      base_(base),
      size_(size),
      shared_count_((size / 16) >> kBits),
      stack_base_(base + size / 16),
      stack_count_((size - size / 16) >> kBits),
      shared_hosts_(std::clamp(machines_per_bridge, 1u, kHosts)),
      prefix_(std::move(prefix)),
      tag_(tag_of(server)) {}

Result<AddressPlan> AddressPlan::make(const std::string& pool, const std::string& prefix, const std::string& server,
                                      std::uint32_t machines_per_bridge) {
  const auto block = parse_block(pool);
  if (!block || block->end - block->begin > 1u << 24 || block->end - block->begin < 1u << 16) {
    return fail(Code::kInvalid, "invalid-pool",
                fmt::format("network.pool is '{}'; it must be an IPv4 range from /8 to /16, like 10.64.0.0/12", pool));
  }
  const auto size = static_cast<std::uint32_t>(block->end - block->begin);
  return AddressPlan(pool, static_cast<std::uint32_t>(block->begin), size, prefix, server, machines_per_bridge);
}

AddressPlan::Overlap AddressPlan::overlap(const std::string& subnet) const {
  const auto block = parse_block(subnet);
  const std::uint64_t end = std::uint64_t{base_} + size_;
  if (!block || block->begin >= end || block->end <= base_) return Overlap::kNone;
  return block->begin <= base_ && block->end >= end ? Overlap::kWhole : Overlap::kPart;
}

void AddressPlan::avoid(const std::string& subnet) {
  if (overlap(subnet) == Overlap::kNone) return;
  const auto block = parse_block(subnet);
  avoided_.emplace(block->begin, block->end);
}

/// The last address in the pool of what others use, if any of this range is theirs.
std::optional<std::uint32_t> AddressPlan::avoided_until(std::uint32_t start, std::uint32_t size) const {
  for (const auto& [begin, end] : avoided_) {
    if (begin >= std::uint64_t{start} + size) break;
    if (end > start) return static_cast<std::uint32_t>(std::min(end, std::uint64_t{base_} + size_) - 1);
  }
  return std::nullopt;
}

Error AddressPlan::exhausted(std::string_view what) const {
  if (avoided_.empty()) {
    return {Code::kExhausted, "addresses-exhausted", fmt::format("All {} are in use; try again later.", what), {}, {}};
  }
  return {Code::kExhausted,
          "addresses-exhausted",
          fmt::format("No {} are left: others on this host use {} ranges of network.pool ({}). Try again later, or set "
                      "it to a range that nobody else uses.",
                      what, avoided_.size(), pool_),
          {},
          {}};
}

/// The engine tells machines on one network each other's names when asked for an address (Docker's resolver answers
/// PTR): of what a name says nobody must be able to make anything.
std::string AddressPlan::random_name() const {
  std::array<unsigned char, kNameLetters> random{};
  randombytes_buf(random.data(), random.size());
  std::string name = prefix_ + "-";
  for (const auto byte : random) name.push_back(kLetters[byte % kLetters.size()]);
  return name;
}

std::uint32_t AddressPlan::shared_start(SharedKey key) const {
  // Both kinds share the blocks' numbers: even ones without, odd ones with egress.
  return base_ + ((key.second * 2 + (key.first ? 1 : 0)) << kBits);
}

engine::NetworkSpec AddressPlan::shared_network(SharedKey key) const {
  const auto [egress, index] = key;
  const std::uint32_t start = shared_start(key);
  engine::NetworkSpec spec;
  spec.name = fmt::format("{}-{}-{}{}", prefix_, tag_, egress ? "e" : "", index);
  spec.subnet = fmt::format("{}/{}", dotted(start), 32 - kBits);
  spec.gateway = dotted(start + 1);
  spec.shared = true;
  spec.egress = egress;
  return spec;
}

engine::NetworkSpec AddressPlan::stack_network(std::uint32_t index, bool egress) const {
  const std::uint32_t start = stack_base_ + (index << kBits);
  engine::NetworkSpec spec;
  spec.name = random_name();
  spec.subnet = fmt::format("{}/{}", dotted(start), 32 - kBits);
  spec.gateway = dotted(start + 1);
  spec.egress = egress;
  return spec;
}

Result<> AddressPlan::place(const templates::Template& tmpl, Plan& plan) {
  for (const auto& service : tmpl.services) {
    PlannedMachine machine;
    machine.service = service.name;
    machine.name = random_name();
    plan.machines.push_back(std::move(machine));
  }
  if (tmpl.services.size() > 1 || tmpl.networks.size() > 1) return place_stack(tmpl, plan);
  return templates::may_forge(tmpl.services.front()) ? place_alone(tmpl, plan) : place_single(tmpl, plan);
}

/// Calls `use` with each shared network that may be used, in the order in which they are filled, until it says true.
template <class Use>
void AddressPlan::each_usable(bool egress, Use use) {
  const std::uint32_t usual = shared_count_ / 2, all = (size_ >> kBits) / 2;
  std::uint32_t usable = 0;
  for (std::uint32_t i = 0; i < all && usable < usual; ++i) {
    // Those beyond the usual ones, which only stand in for some that are others', from the end: stacks begin in front.
    const SharedKey key{egress, i < usual ? i : all - 1 - (i - usual)};
    if (avoided_until(shared_start(key), 1u << kBits) || (i >= usual && !borrow_from_stacks(key))) continue;
    ++usable;
    if (use(key)) return;
  }
}

Result<> AddressPlan::place_single(const templates::Template& tmpl, Plan& plan) {
  bool placed = false;
  each_usable(tmpl.egress, [&](SharedKey key) {
    auto& used = shared_[key];
    if (static_cast<std::uint32_t>(std::popcount(used)) >= shared_hosts_) return false;
    // The addresses go round: the one that was just given back is the last to be used again, so that nobody's
    // lingering connection reaches the next owner.
    auto& last = last_host_.try_emplace(key, kFirstHost - 1).first->second;
    do { last = last + 1 < kFirstHost + kHosts ? last + 1 : kFirstHost; } while (used >> last & 1);
    used |= 1u << last;
    const auto spec = shared_network(key);
    plan.networks.push_back(planned(spec));
    plan.machines.front().attachments.push_back({spec.name, dotted(shared_start(key) + last), {}});
    return placed = true;
  });
  if (placed) return {};
  return fail(exhausted("addresses for machines"));
}

std::optional<engine::NetworkSpec> AddressPlan::soon_wanted(bool egress) {
  std::optional<engine::NetworkSpec> next;
  std::size_t left = 0;
  each_usable(egress, [&](SharedKey key) {
    const auto used = shared_.find(key);
    if (announced_.contains(key) || (used != shared_.end() && used->second != 0)) {
      const auto taken = used == shared_.end() ? 0 : static_cast<std::uint32_t>(std::popcount(used->second));
      left += shared_hosts_ - std::min(taken, shared_hosts_);
      return left >= kFewLeft;
    }
    announced_.insert(key);
    next = shared_network(key);
    return true;
  });
  return next;
}

/// Keeps stacks out of this shared network's range, for good: the network itself stays as long as the server runs.
/// False: a stack is there.
bool AddressPlan::borrow_from_stacks(SharedKey key) {
  if (borrowed_.contains(key)) return true;
  const std::uint32_t first = (shared_start(key) - stack_base_) >> kBits;
  if (!stacks_.insert(first).second) return false;
  borrowed_.insert(key);
  return true;
}

Result<std::uint32_t> AddressPlan::take_stack_block() {
  for (std::uint32_t tries = 0; tries < stack_count_; ++tries) {
    const std::uint32_t index = (next_stack_ + tries) % stack_count_;
    if (stacks_.contains(index)) continue;
    const std::uint32_t start = stack_base_ + (index << kBits);
    if (const auto until = avoided_until(start, 1u << kBits)) {
      tries += (*until - start) >> kBits;
      continue;
    }
    stacks_.insert(index);
    next_stack_ = index + 1;
    return index;
  }
  return fail(exhausted("networks for stacks"));
}

Result<> AddressPlan::place_stack(const templates::Template& tmpl, Plan& plan) {
  for (const auto& network : tmpl.networks) {
    auto index = take_stack_block();
    if (!index) {
      release(plan);
      return fail(std::move(index.error()));
    }
    const bool egress = tmpl.egress && !network.internal;
    const auto spec = stack_network(*index, egress);
    plan.networks.emplace_back(PlannedNetwork{network.name, spec});
    std::uint32_t host = kFirstHost;
    for (std::size_t i = 0; i < tmpl.services.size(); ++i) {
      for (const auto& use : tmpl.services[i].networks) {
        if (use.network != network.name) continue;
        if (host >= kFirstHost + kHosts) {
          release(plan);
          return fail(Code::kInvalid, "stack-too-large",
                      fmt::format("Network '{}' has more than {} machines.", network.name, kHosts));
        }
        engine::Attachment attachment{spec.name, dotted(stack_base_ + (*index << kBits) + host++), use.aliases};
        attachment.aliases.push_back(tmpl.services[i].name);
        plan.machines[i].attachments.push_back(std::move(attachment));
      }
    }
  }
  return {};
}

/// A network for one machine: what could speak in another's name has nobody beside it.
Result<> AddressPlan::place_alone(const templates::Template& tmpl, Plan& plan) {
  auto index = take_stack_block();
  if (!index) return fail(std::move(index.error()));
  const auto spec = stack_network(*index, tmpl.egress);
  plan.networks.emplace_back(PlannedNetwork{tmpl.networks.empty() ? "" : tmpl.networks.front().name, spec});
  plan.machines.front().attachments.push_back({spec.name, dotted(stack_base_ + (*index << kBits) + kFirstHost), {}});
  return {};
}

bool AddressPlan::cuts(const std::string& subnet) {
  const auto block = parse_block(subnet);
  return block && block->end - block->begin == 1u << kBits;
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
    const auto block = parse_block(network.spec.subnet);
    if (!block) continue;
    const auto start = static_cast<std::uint32_t>(block->begin);
    if (!network.spec.shared) {
      if (start >= stack_base_) stacks_.insert((start - stack_base_) >> kBits);
      continue;
    }
    const SharedKey key{network.spec.egress, (start - base_) >> (kBits + 1)};
    if (!take_shared(key, network.spec)) continue;
    for (const auto& machine : plan.machines) {
      for (const auto& attachment : machine.attachments) {
        const auto address = parse_dotted(attachment.address);
        if (address && attachment.network == network.spec.name) shared_[key] |= 1u << ((*address - start) & 31);
      }
    }
  }
}

/// False: it is none that this plan would make, of a version or a pool of before. Nothing else gets its addresses.
bool AddressPlan::take_shared(SharedKey key, const engine::NetworkSpec& spec) {
  const auto mine = shared_network(key);
  if (mine.subnet != spec.subnet || mine.name != spec.name) {
    of_before_.insert(spec.name);
    avoid(spec.subnet);
    return false;
  }
  if (shared_start(key) >= stack_base_) borrow_from_stacks(key);
  return true;
}

void AddressPlan::release(const Plan& plan) {
  for (const PlannedNetwork& network : plan.networks) {
    const auto block = parse_block(network.spec.subnet);
    if (!block) continue;
    const auto start = static_cast<std::uint32_t>(block->begin);
    if (!network.spec.shared) {
      if (start >= stack_base_) stacks_.erase((start - stack_base_) >> kBits);
      continue;
    }
    for (const auto& machine : plan.machines) {
      for (const auto& attachment : machine.attachments) {
        const auto address = parse_dotted(attachment.address);
        if (!address || attachment.network != network.spec.name) continue;
        const auto used = shared_.find({network.spec.egress, (start - base_) >> (kBits + 1)});
        if (used != shared_.end()) used->second &= ~(1u << ((*address - start) & 31));
      }
    }
  }
}

bool is_network_of(std::string_view prefix, std::string_view name, bool shared) {
  if (!name.starts_with(prefix) || !name.substr(prefix.size()).starts_with('-')) return false;
  const auto rest = name.substr(prefix.size() + 1);
  if (rest.find_first_not_of(kLetters) != rest.npos) return false;
  // Theirs are longer by what their prefix has more, or have one dash more.
  if (!shared) return rest.size() == kNameLetters;
  return rest.size() > kTagLetters + 1 && rest[kTagLetters] == '-' && std::ranges::count(rest, '-') == 1;
}

}  // namespace tiltyard::labs
