#include "templates/project.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "templates/keys.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

void warn_rewritten(const Node& node, std::string_view scope, std::string_view key, ReadContext& context) {
  const Member* member = node.member(key);
  if (!member || member->value.is_empty() || member->value.at_spawn) return;
  context.problems.warn(member->place, fmt::format("`{}` is rewritten: {}", key, reason_of(*find_key(scope, key))));
}

void check_driver(const Node& node, std::string_view only, ReadContext& context) {
  const Node* driver = node.find("driver");
  const auto name = driver ? as_text(*driver, "driver", context, 100) : std::nullopt;
  if (name && !name->empty() && *name != "default" && *name != only) {
    context.problems.error(driver->place, fmt::format("driver \"{}\" is refused; there is {}", printable(*name), only));
  }
}

/// Calls `read` for every entry of a top-level section.
template <class Read>
void each(const Node& root, std::string_view section, ReadContext& context, Read read) {
  const Node* node = root.find(section);
  if (!node || !want_map(*node, section, context)) return;
  for (const auto& member : node->members) {
    if (member.key.starts_with("x-")) continue;
    if (!is_name(member.key, 100))
      context.problems.error(member.place,
                             fmt::format("\"{}\" is no name for one of {}", printable(member.key), section));
    else if (member.value.is_null() || want_map(member.value, member.key, context)) read(member);
  }
}

void read_networks(const Node& root, ReadContext& context) {
  context.networks["default"] = false;
  each(root, "networks", context, [&](const Member& member) {
    check_keys(member.value, "network", context.problems);
    warn_rewritten(member.value, "network", "name", context);
    warn_rewritten(member.value, "network", "ipam", context);
    check_driver(member.value, "bridge", context);
    context.networks[member.key] = bool_at(member.value, "internal", context).value_or(false);
  });
}

/// `driver_opts` are those of mount(8). What they mount of the host is refused, but for a folder of the template's:
/// that is a bind, in other words.
void read_volume_options(const Member& said, ReadContext& context, DeclaredVolume& out) {
  if (!want_map(said.value, "driver_opts", context)) return;
  const auto option = [&](std::string_view key) { return text_at(said.value, key, context).value_or(""); };
  const std::string type = option("type"), device = option("device"), how = option("o");
  out.place = said.place;
  bool bound = false;
  for (const auto word : split(how, ',')) bound = bound || trim(word) == "bind" || trim(word) == "rbind";
  const bool known = std::ranges::all_of(
      said.value.members, [](const Member& one) { return one.key == "type" || one.key == "device" || one.key == "o"; });
  if (known && type == "tmpfs") out.options = how;
  else if (known && bound && !device.empty() && (type.empty() || type == "none")) out.device = device;
  else
    context.problems.error(said.place,
                           "\"driver_opts\" is refused: options of a driver reach into the host; there are "
                           "{type: tmpfs, device: tmpfs, o: size=64m} and {type: none, o: bind, device: ./FOLDER}");
}

/// An external volume is the operator's to allow, by its real name.
void read_volumes(const Node& root, ReadContext& context) {
  each(root, "volumes", context, [&](const Member& member) {
    const Node& volume = member.value;
    const Member* external = volume.member("external");
    std::string name = text_at(volume, "name", context, 200).value_or(member.key);
    bool outside = false;
    if (external && external->value.is_map()) {
      outside = true;
      name = text_at(external->value, "name", context, 200).value_or(name);
    } else if (external) {
      outside = as_bool(external->value, "external", context).value_or(false);
    }
    const bool allowed = outside && context.allows("volume:" + name);
    constexpr std::array<std::string_view, 1> kExternal{"external"};
    check_keys(volume, "volume", context.problems, kExternal);
    if (outside && !allowed)
      context.problems.error(external->place,
                             fmt::format("\"external\" is refused: {}", find_key("volume", "external")->note));
    if (!outside) warn_rewritten(volume, "volume", "name", context);
    check_driver(volume, "local", context);
    DeclaredVolume& declared = context.volumes[member.key];
    if (allowed) declared.external = name;
    if (const Member* options = volume.member("driver_opts"); options && !options->value.is_empty())
      read_volume_options(*options, context, declared);
  });
}

/// A config or secret: a file inside the folder, or a text of the template's own.
void read_shared_files(const Node& root, std::string_view section, ReadContext& context,
                       std::map<std::string, SharedFile>& out) {
  const std::string_view scope = section == "configs" ? "config" : "secret";
  each(root, section, context, [&](const Member& member) {
    check_keys(member.value, scope, context.problems);
    warn_rewritten(member.value, scope, "name", context);
    SharedFile& shared = out[member.key];
    const Node* file = member.value.find("file");
    const Node* content = scope == "config" ? member.value.find("content") : nullptr;
    const Node* variable = member.value.find("environment");
    const int sources =
        (file && !file->is_null()) + (content && !content->is_null()) + (variable && !variable->is_null());
    if (sources != 1) {
      context.problems.error(member.place, fmt::format("{} \"{}\" needs one of `file`, {}`environment`", scope,
                                                       printable(member.key), scope == "config" ? "`content`, " : ""));
      return;
    }
    shared.path = fmt::format(".tiltyard/{}/{}", section, member.key);
    if (content && !content->is_null()) shared.content = as_text(*content, "content", context, 256 * 1024).value_or("");
    if (variable && !variable->is_null()) {
      const std::string name = as_text(*variable, "environment", context, 200).value_or("");
      const std::string* value = context.variables.find(name);
      if (!value)
        context.problems.error(variable->place,
                               fmt::format("the variable {} is not set in .env or instance.toml", printable(name)));
      shared.content = value ? *value : std::string{};
    }
    if (!file || file->is_null()) return;
    const auto path = as_text(*file, "file", context);
    if (!path) return;
    const auto found = context.inside.locate(file->place.base(), *path);
    if (!found) context.problems.error(file->place, fmt::format("the file is refused: {}", found.error()));
    else if (found->kind != Found::Kind::kFile)
      context.problems.error(file->place, fmt::format("there is no file \"{}\"", printable(*path)));
    else shared.path = found->path;
  });
}

/// `profiles` of instance.toml; where it says nothing, COMPOSE_PROFILES, which Compose too takes from .env.
std::vector<std::string> asked_profiles(const ReadContext& context) {
  if (context.settings.profiles) return *context.settings.profiles;
  std::vector<std::string> asked;
  const std::string* said = context.variables.find("COMPOSE_PROFILES");
  for (const auto one : split(said ? *said : std::string{}, ',')) {
    if (!trim(one).empty()) asked.emplace_back(trim(one));
  }
  return asked;
}

bool is_active(const ReadService& service, const std::vector<std::string>& asked) {
  if (service.profiles.empty()) return true;
  return std::ranges::any_of(asked, [&](const std::string& profile) {
    return profile == "*" || std::ranges::find(service.profiles, profile) != service.profiles.end();
  });
}

/// As in Compose: a container's name is one container's.
void check_container_names(const std::vector<ReadService>& services, ReadContext& context) {
  std::map<std::string, std::string> known;
  for (const auto& one : services) {
    if (one.container_name.empty()) continue;
    const auto [first, fresh] = known.emplace(one.container_name, one.service.name);
    if (!fresh)
      context.problems.error(one.place, fmt::format("\"{}\" and \"{}\" have the same container_name, \"{}\"",
                                                    first->second, one.service.name, one.container_name));
  }
}

/// Takes out the services whose profiles are not asked for, and what depends on them by choice.
void drop_inactive(std::vector<ReadService>& services, ReadContext& context) {
  std::set<std::string> active;
  std::map<std::string, std::string> profiles;
  const auto asked = asked_profiles(context);
  for (const auto& service : services) {
    if (is_active(service, asked)) active.insert(service.service.name);
    else profiles.emplace(service.service.name, printable(service.profiles.front()));
  }
  std::erase_if(services, [&](const ReadService& service) { return !active.contains(service.service.name); });
  drop_dependencies(services, active, profiles, context);
}

/// A machine that is alone still finds itself by its other names, as a bot does that visits its own page: it has no
/// network that they could stand on.
void keep_own_names(Service& service) {
  std::set<std::string> names;
  for (const auto& use : service.networks) names.insert(use.aliases.begin(), use.aliases.end());
  for (const auto& name : names) service.extra_hosts.emplace_back(name, service.name);
  service.networks.clear();
}

/// Networks that somebody uses. One machine needs none of its own: nobody else is there.
void settle_networks(Project& project, const ReadContext& context) {
  std::vector<std::string> order;
  for (auto& one : project.services) {
    if (one.isolated) {
      const std::string own = "alone-" + one.service.name;
      one.service.networks.push_back({own, {}});
      project.networks.push_back({own, true});
    }
    for (const auto& use : one.service.networks) {
      if (!one.isolated && std::ranges::find(order, use.network) == order.end()) order.push_back(use.network);
    }
  }
  if (project.services.size() == 1) {
    const ReadService& only = project.services.front();
    if (only.isolated && context.egress)
      context.problems.error(only.place, "network_mode none and egress exclude each other");
    keep_own_names(project.services.front().service);
    project.networks.clear();
    return;
  }
  for (const auto& name : order) {
    const auto declared = context.networks.find(name);
    if (declared != context.networks.end()) project.networks.push_back({name, declared->second || !context.egress});
  }
}

}  // namespace

Project read_project(const Node& root, ReadContext& context) {
  Project project;
  check_keys(root, "top", context.problems);
  read_networks(root, context);
  read_volumes(root, context);
  read_shared_files(root, "configs", context, context.configs);
  read_shared_files(root, "secrets", context, context.secrets);
  const Node* services = root.find("services");
  if (!services || services->is_empty()) {
    context.problems.error(services ? services->place : root.place, "the file has no `services`");
    return project;
  }
  if (!want_map(*services, "services", context)) return project;
  for (const auto& member : services->members) {
    if (!member.key.starts_with("x-")) context.services.insert(member.key);
  }
  context.pinned = pinned_addresses(*services);
  for (const auto& member : services->members) {
    if (!member.key.starts_with("x-")) project.services.push_back(read_service(member, context));
  }
  check_circles(project.services, context);
  use_built_images(project.services);
  const BuiltNames built = built_names(project.services);
  share_mounts(project.services, context);
  drop_inactive(project.services, context);
  if (project.services.empty())
    context.problems.error(services->place,
                           "no service is active: say `profiles` in instance.toml, or COMPOSE_PROFILES "
                           "in .env");
  check_container_names(project.services, context);
  check_health_waits(project.services, context);
  warn_of_addresses(root, context);
  chain_builds(project.services, built, context);
  settle_networks(project, context);
  std::set<std::string> used;
  for (const auto& one : project.services) {
    for (const auto& use : one.service.volumes) {
      if (!use.volume.empty() && used.insert(use.volume).second) project.volumes.push_back(use.volume);
    }
  }
  return project;
}

}  // namespace tiltyard::templates
