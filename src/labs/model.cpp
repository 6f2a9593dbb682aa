#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "labs/model.h"

namespace tiltyard::labs {
namespace {

constexpr std::array<std::pair<InstanceState, std::string_view>, 8> kWords{{
    {InstanceState::kQueued, "queued"},
    {InstanceState::kPreparing, "preparing"},
    {InstanceState::kStarting, "starting"},
    {InstanceState::kRunning, "running"},
    {InstanceState::kPaused, "paused"},
    {InstanceState::kStopping, "stopping"},
    {InstanceState::kStopped, "stopped"},
    {InstanceState::kFailed, "failed"},
}};

constexpr std::array<std::string_view, 7> kMachineWords{"absent", "created", "running", "paused",
                                                        "exited", "done",    "ended"};
constexpr std::array<std::string_view, 4> kHealthWords{"", "starting", "healthy", "unhealthy"};

template <class Value, std::size_t count>
Value value_of(const std::array<std::string_view, count>& words, std::string_view text) {
  const auto found = std::ranges::find(words, text);
  return found == words.end() ? Value{} : static_cast<Value>(found - words.begin());
}

}  // namespace

std::string_view to_string(MachineIs state) { return kMachineWords[static_cast<std::size_t>(state)]; }
std::string_view to_string(MachineHealth health) { return kHealthWords[static_cast<std::size_t>(health)]; }
MachineIs parse_machine_state(std::string_view text) { return value_of<MachineIs>(kMachineWords, text); }
MachineHealth parse_health(std::string_view text) { return value_of<MachineHealth>(kHealthWords, text); }

bool Reason::wanted() const {
  constexpr std::array<std::string_view, 5> kWanted{"user", "admin", "expiry", "abuse", kOverDisk};
  return std::ranges::find(kWanted, code) != kWanted.end();
}

std::string_view to_string(InstanceState state) {
  for (const auto& [value, word] : kWords) {
    if (value == state) return word;
  }
  return "failed";
}

std::optional<InstanceState> parse_state(std::string_view text) {
  for (const auto& [value, word] : kWords) {
    if (word == text) return value;
  }
  return std::nullopt;
}

std::string_view to_string(PoolRole role) {
  switch (role) {
    case PoolRole::kWaiting:
      return "waiting";
    case PoolRole::kClaimed:
      return "claimed";
    case PoolRole::kNone:
      break;
  }
  return "";
}

std::string_view to_string(PoolKind kind) {
  switch (kind) {
    case PoolKind::kRunning:
      return "running";
    case PoolKind::kCreated:
      return "created";
    case PoolKind::kNone:
      break;
  }
  return "none";
}

void Instance::follow(const std::shared_ptr<const templates::Template>& whole) {
  template_name = {whole, whole->name};
  template_hash = {whole, whole->hash};
  cost_centre = {whole, whole->cost_centre};
  lease = {whole, whole->lease};
}

/// What was planned before labels were drawn keeps the names that it had: its first HTTP endpoint the instance's own
/// name as well. A label has at most 63 characters (RFC 1035): where the full name is longer, the instance's last two
/// parts stand for it.
std::vector<std::string> hosts_of(const Instance& instance, const PlannedEndpoint& endpoint) {
  std::vector<std::string> hosts;
  if (owns_port(endpoint.kind)) return hosts;
  if (endpoint.host != decltype(endpoint.host){}) return {hex(endpoint.host)};
  const auto& id = instance.id.str();
  const auto first =
      std::ranges::find(instance.plan.endpoints, false, [](const auto& one) { return owns_port(one.kind); });
  if (first != instance.plan.endpoints.end() && first->name == endpoint.name) hosts.push_back(id);
  std::string full = endpoint.name + "--" + id;
  if (full.size() > 63) full = endpoint.name.substr(0, 44) + "--" + id.substr(id.size() - 17);
  hosts.push_back(std::move(full));
  return hosts;
}

Rare<Credentials> draw_credentials(const templates::Template& tmpl) {
  if (!tmpl.credentials) return {};
  if (!tmpl.credentials->per_owner) return Credentials{tmpl.credentials->user, Secret(tmpl.credentials->password)};
  // Without characters that people take for each other; 32 of them, so that every one is as likely.
  constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
  const std::string random = random_hex(16);
  std::string password;
  for (std::size_t i = 0; i < random.size(); i += 2) {
    password.push_back(kLetters[std::stoul(random.substr(i, 2), nullptr, 16) % kLetters.size()]);
  }
  return Credentials{tmpl.credentials->user, Secret(std::move(password))};
}

}  // namespace tiltyard::labs
