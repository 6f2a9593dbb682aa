#include "labs/machine_spec.h"

#include <fmt/format.h>
#include <sodium/crypto_generichash.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.h"

namespace tiltyard::labs {
namespace {

constexpr std::size_t kLongestName = 200;

/// A name for a text that is too long for one.
std::string hash_of(const std::string& text) {
  std::array<unsigned char, 16> digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  return hex(digest);
}

/// What a spawn-time placeholder stands for in this instance; nullopt: it is none of ours, and stays as it is.
std::optional<std::string> value_of(const std::string& name, Spawn& spawn) {
  const Instance& instance = spawn.facts();
  if (name == "INSTANCE_ID") return instance.id.str();
  if (name == "DOCKER_NETWORK") {
    return instance.plan.networks.empty() ? "" : instance.plan.networks.front()->spec.name;
  }
  if (name.starts_with("PORT_")) {
    // The port that players use: the gateway's for raw TCP, the machine's own behind a host name.
    const std::string wanted = name.substr(5);
    for (const auto& endpoint : instance.plan.endpoints) {
      if (std::to_string(endpoint.machine_port) != wanted) continue;
      return std::to_string(endpoint.port != 0 ? endpoint.port : endpoint.machine_port);
    }
    return wanted;
  }
  const auto word = spawn.words().find(name);
  return word == spawn.words().end() ? std::nullopt : std::optional(word->second.reveal());
}

std::string expand(const std::string& text, Spawn& spawn) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto open = text.find("${", at);
    const auto close = open == std::string::npos ? open : text.find('}', open);
    if (close == std::string::npos) break;
    const auto value = value_of(text.substr(open + 2, close - open - 2), spawn);
    out.append(text, at, open - at);
    if (value) out += *value;
    else out.append(text, open, close + 1 - open);
    at = close + 1;
  }
  return out.append(text, at);
}

std::string address_of(const Instance& instance, const std::string& service, const PlannedMachine& from) {
  for (const auto& machine : instance.plan.machines) {
    if (machine.service != service) continue;
    for (const auto& theirs : machine.attachments) {
      for (const auto& ours : from.attachments) {
        if (theirs.network == ours.network) return theirs.address;
      }
    }
  }
  return {};
}

void add_mounts(engine::MachineSpec& spec, const Instance& instance, const templates::Template& tmpl,
                const templates::Service& service, const std::string& files_folder) {
  auto& mounts = spec.container().mounts;
  for (const auto& bind : service.binds) {
    engine::Mount mount;
    mount.kind = engine::Mount::Kind::kBind;
    const auto original = bind.path.starts_with('/') ? bind.path : fmt::format("{}/{}", tmpl.folder, bind.path);
    const auto own = fmt::format("{}/{}", files_of(files_folder, instance.id), copy_name(bind));
    mount.source = needs_own_copy(bind) && !is_laid_over(bind) ? own : original;
    if (is_laid_over(bind)) {
      mount.kind = engine::Mount::Kind::kOver;
      mount.apart = own;
    }
    mount.target = bind.target;
    mount.read_only = bind.read_only;
    mounts.push_back(std::move(mount));
  }
  for (const auto& use : service.volumes) {
    engine::Mount mount;
    mount.kind = engine::Mount::Kind::kVolume;
    mount.target = use.target;
    mount.read_only = use.read_only;
    mount.no_copy = use.no_copy;
    for (const auto& [key, name] : instance.plan.volumes) {
      if (key == use.volume) mount.source = name;
    }
    mounts.push_back(std::move(mount));
  }
}

/// What other capabilities' steps want. A mount of theirs takes the place of the template's at the same path.
void add_additions(engine::MachineSpec& spec, Spawn& spawn, const std::string& service) {
  const auto& added = spawn.additions(service);
  auto& container = spec.container();
  container.set_user_id = added.set_user_id;
  for (const auto& mount : added.mounts) {
    std::erase_if(container.mounts, [&](const engine::Mount& other) { return other.target == mount.target; });
    container.mounts.push_back(mount);
  }
  for (const auto& variable : added.environment) {
    const auto name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(container.environment, [&](const std::string& other) { return other.starts_with(name); });
    container.environment.push_back(variable);
  }
}

/// The host's address on the machine's first network, if none of its networks leads out: nobody knows names of outside
/// there, but says so at once.
std::vector<std::string> where_names_end(const Instance& instance, const PlannedMachine& planned) {
  std::vector<std::string> address;
  for (const auto& attachment : planned.attachments) {
    for (const PlannedNetwork& network : instance.plan.networks) {
      if (network.spec.name != attachment.network) continue;
      if (network.spec.egress) return {};
      if (address.empty()) address.push_back(network.spec.gateway);
    }
  }
  return address;
}

}  // namespace

bool needs_own_copy(const templates::BindSource& bind) {
  return !bind.read_only || bind.fresh || bind.shared || bind.mode >= 0 || bind.content.has_value();
}

bool is_laid_over(const templates::BindSource& bind) {
  return bind.large && !bind.read_only && !bind.shared && !bind.fresh && bind.mode < 0 && !bind.content;
}

std::string copy_name(const templates::BindSource& bind) {
  // One name deep: what one machine may write to is never on the way to what another gets.
  auto name =
      bind.mode < 0 ? std::string(is_laid_over(bind) ? "over-" : "as-is-") : fmt::format("mode-{:04o}-", bind.mode);
  if (bind.uid >= 0 || bind.gid >= 0) fmt::format_to(std::back_inserter(name), "of-{}-{}-", bind.uid, bind.gid);
  for (const char c : bind.path) {
    if (c == '/' || c == '%') fmt::format_to(std::back_inserter(name), "%{:02X}", static_cast<int>(c));
    else name.push_back(c);
  }
  return "binds/" + (name.size() <= kLongestName ? name : hash_of(name));
}

std::string files_of(const std::string& folder, const InstanceId& instance) {
  return fmt::format("{}/{}", folder, instance.str());
}

engine::Labels labels_of(const Instance& instance) {
  // What was made for a pool had no owner then, and an engine's labels stay as they are.
  const bool pooled = instance.pool != PoolRole::kNone;
  return {{engine::kLabelInstance, instance.id.str()},
          {engine::kLabelTemplate, instance.tmpl.str()},
          {engine::kLabelOwner, pooled ? "" : instance.owner},
          {engine::kLabelCostCentre, *instance.cost_centre}};
}

engine::MachineSpec machine_spec(Spawn& spawn, const templates::Service& service, const PlannedMachine& planned,
                                 const std::string& files_folder) {
  const Instance& instance = spawn.facts();
  engine::MachineSpec spec{service.machine, service.container};
  spec.name = planned.name;
  if (spec.hostname.empty()) spec.hostname = service.name;
  for (auto& variable : spec.container().environment) variable = expand(variable, spawn);
  for (const auto& [key, value] : labels_of(instance)) spec.labels[key] = value;
  spec.labels[engine::kLabelMachine] = service.name;
  spec.networks = planned.attachments;
  if (spec.dns.empty()) spec.dns = where_names_end(instance, planned);
  add_mounts(spec, instance, *spawn.origin(), service, files_folder);
  add_additions(spec, spawn, service.name);
  for (const auto& [name, target] : service.extra_hosts) {
    const auto address = address_of(instance, target, planned);
    spec.extra_hosts.push_back(fmt::format("{}:{}", name, address.empty() ? target : address));
  }
  for (const auto& endpoint : instance.plan.endpoints) {
    if (endpoint.machine == service.name && transport_of(endpoint.kind) == Transport::kTcp &&
        std::find(spec.exposed.begin(), spec.exposed.end(), endpoint.machine_port) == spec.exposed.end()) {
      spec.exposed.push_back(endpoint.machine_port);
    }
  }
  return spec;
}

}  // namespace tiltyard::labs
