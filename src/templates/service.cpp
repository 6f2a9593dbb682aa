#include "templates/service.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>

#include "templates/keys.h"
#include "templates/merge.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostVariables = 512;
constexpr std::size_t kLongestVariable = 64 * 1024;
constexpr seconds kLongestGrace{60};

/// Keys of a service that the readers decide by themselves: an allowance or a special value may let them pass.
constexpr std::array<std::string_view, 5> kDecidedElsewhere{"privileged", "devices", "runtime", "network_mode",
                                                            "oom_score_adj"};

std::optional<std::vector<std::string>> read_command(const Node& service, std::string_view key, ReadContext& context) {
  const Node* node = service.find(key);
  if (!node || node->is_null()) return std::nullopt;
  if (node->is_map()) {
    context.problems.error(node->place, fmt::format("`{}` takes a text or a list", key));
    return std::nullopt;
  }
  if (node->is_scalar()) {
    const auto text = as_text(*node, key, context, 32'768);
    if (!text) return std::nullopt;
    auto split = split_command(*text);
    if (!split) {
      context.problems.error(node->place,
                             fmt::format("`{}` has {}; write it as a list, [sh, -c, \"…\"]", key, split.error()));
      return std::nullopt;
    }
    if (!split->unread.empty()) {
      context.problems.warn(
          node->place, fmt::format("`{}` ends before \"{}\": no shell reads it, and Compose takes only what stands "
                                   "before; write [sh, -c, \"…\"] if a shell is meant",
                                   key, printable(trim(split->unread), 40)));
    }
    return std::move(split->words);
  }
  std::vector<std::string> words;
  for (const auto& item : node->items) {
    if (auto word = as_text(item, key, context, 32'768)) words.push_back(std::move(*word));
    else if (item.is_null()) words.emplace_back();
  }
  return words;
}

std::string host_platform() {
  utsname host{};
  const std::string machine = ::uname(&host) == 0 ? host.machine : "x86_64";
  if (machine == "x86_64") return "linux/amd64";
  if (machine == "aarch64") return "linux/arm64";
  return "linux/" + machine;
}

void check_platform(const Node& node, ReadContext& context) {
  const auto text = as_text(node, "platform", context, 64);
  if (!text || text->empty()) return;
  const std::string host = host_platform();
  const std::string asked = lower(*text);
  if (asked == "linux" || asked == host || asked.starts_with(host + "/")) return;
  context.problems.error(node.place, fmt::format("platform \"{}\" is refused: the host is {}", printable(*text), host));
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  // No name of the DNS has a '_', but people's machines do, and engines take it.
  return std::ranges::all_of(split(text, '.'), [](std::string_view part) {
    std::string name = lower(part);
    std::ranges::replace(name, '_', 'x');
    return is_label(name, 63);
  });
}

void read_identity(const Node& service, ReadContext& context, Service& out) {
  if (const Node* node = service.find("hostname")) {
    if (auto text = as_text(*node, "hostname", context, 63); text && !text->empty()) {
      if (is_host_name(*text)) out.machine.hostname = *text;
      else context.problems.error(node->place, fmt::format("\"{}\" is no host name", printable(*text)));
    }
  }
  if (const Node* node = service.find("domainname")) {
    if (auto text = as_text(*node, "domainname", context, 63); text && !text->empty()) {
      if (is_host_name(*text)) out.machine.domain = *text;
      else context.problems.error(node->place, fmt::format("\"{}\" is no domain name", printable(*text)));
    }
  }
  if (const Node* node = service.find("user")) {
    const auto text = as_text(*node, "user", context, 64);
    const bool fine = text && std::ranges::all_of(*text, [](char c) {
                        return is_name(std::string_view(&c, 1)) || c == '_' || c == '-' || c == '.' || c == ':';
                      });
    if (fine) out.container.user = *text;
    else if (text)
      context.problems.error(node->place,
                             fmt::format("\"{}\" is no user; write NAME, UID or UID:GID", printable(*text)));
  }
  if (const Node* node = service.find("group_add")) {
    for (const Node* item : as_list(*node, "group_add", context)) {
      const auto text = as_text(*item, "group_add", context, 64);
      const bool fine = text && (is_name(*text) || (text->starts_with('_') && is_name(text->substr(1))));
      if (fine) out.container.groups.push_back(*text);
      else if (text) context.problems.error(item->place, fmt::format("\"{}\" is no group", printable(*text)));
    }
  }
  if (const Node* node = service.find("working_dir")) {
    const auto text = as_text(*node, "working_dir", context);
    if (text && !text->empty() && !text->starts_with('/'))
      context.problems.error(node->place, "`working_dir` is an absolute path");
    else if (text) out.container.working_dir = *text;
  }
}

void read_stop(const Node& service, ReadContext& context, Service& out) {
  if (const Node* node = service.find("stop_signal")) {
    const auto text = as_text(*node, "stop_signal", context, 20);
    const bool fine = text && (parse_integer(*text).value_or(0) >= 1 || std::ranges::all_of(upper(*text), [](char c) {
                                 return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-';
                               }));
    if (fine) out.container.stop_signal = upper(*text);
    else if (text) context.problems.error(node->place, fmt::format("\"{}\" is no signal", printable(*text)));
  }
  if (const Node* node = service.find("stop_grace_period")) {
    auto grace = as_duration(*node, "stop_grace_period", context);
    if (grace && *grace > kLongestGrace) {
      context.problems.warn(
          node->place,
          fmt::format(
              "`stop_grace_period` is rewritten to {0} s, the longest there is: the machine is killed then; write {0}s",
              kLongestGrace.count()));
      grace = kLongestGrace;
    }
    out.machine.stop_grace = grace;
  }
}

void read_image(const Member& member, ReadContext& context, ReadService& out) {
  const Node& service = member.value;
  const bool builds = service.find("build") && !service.find("build")->is_null();
  const auto image = text_at(service, "image", context, 300);
  if (builds) {
    read_build(member, context, out);
    out.built_names.push_back(image.value_or(""));
    if (const Node* tags = service.find("build")->find("tags")) {
      for (const Node* tag : as_list(*tags, "tags", context))
        out.built_names.push_back(as_text(*tag, "tags", context).value_or(""));
    }
  } else if (image && !image->empty()) {
    if (image->find_first_of(" \t\n\"'") != std::string::npos || image->starts_with('-')) {
      context.problems.error(service.member("image")->place, fmt::format("\"{}\" is no image", printable(*image)));
    }
    out.service.machine.image = *image;
  } else if (!image) {
    const Node* said = service.find("image");
    if (!said || said->is_null()) {
      context.problems.error(member.place,
                             fmt::format("service \"{}\" needs `image` or `build`", printable(member.key)));
    }
  }
}

/// A service is one machine, however many are asked for.
void warn_of_copies(const Node& map, std::string_view scope, std::string_view key, ReadContext& context) {
  const Node* said = map.find(key);
  const auto copies = said ? as_integer(*said, key, context, 0, 1'000'000) : std::nullopt;
  if (!copies || *copies == 1) return;
  if (*copies == 0)
    context.problems.warn(said->place, fmt::format("`{}: 0` is rewritten to 1: the machine is started; write profiles: "
                                                   "[\"off\"] if it shall not be",
                                                   key));
  else
    context.problems.warn(
        said->place, fmt::format("`{}: {}` is rewritten to 1: {}", key, *copies, reason_of(*find_key(scope, key))));
}

/// What stands in its resolv.conf beside the server's own address.
void read_resolver(const Node& service, ReadContext& context, engine::MachineBase& machine) {
  const auto read = [&](std::string_view key, std::vector<std::string>& into, auto fine) {
    const Node* said = service.find(key);
    if (!said || said->is_null()) return;
    for (const Node* item : as_list(*said, key, context)) {
      const auto text = as_text(*item, key, context, 253);
      if (text && fine(*text)) into.push_back(*text);
      else if (text)
        context.problems.error(item->place, fmt::format("\"{}\" cannot stand in `{}`", printable(*text), key));
    }
    if (into.size() > 16) context.problems.error(said->place, fmt::format("more than 16 of `{}`", key));
  };
  read("dns_search", machine.dns_search, [](std::string_view text) { return text == "." || is_name(text, 253); });
  read("dns_opt", machine.dns_options, [](std::string_view text) {
    const auto colon = text.find(':');
    return is_name(text.substr(0, colon)) &&
           (colon == std::string_view::npos || parse_integer(text.substr(colon + 1)).value_or(-1) >= 0);
  });
}

void read_rewritten(const Node& service, ReadContext& context, engine::MachineBase& machine) {
  if (const Member* member = service.member("mac_address"); member && !member->value.is_empty()) {
    context.problems.warn(
        member->place, fmt::format("`mac_address` is rewritten: {}", reason_of(*find_key("service", "mac_address"))));
  }
  warn_of_copies(service, "service", "scale", context);
  if (const Member* member = service.member("oom_score_adj"); member && !member->value.is_null()) {
    const Key& key = *find_key("service", "oom_score_adj");
    const auto score = as_integer(member->value, "oom_score_adj", context, -1000, 1000);
    // Machines go before the server and the engine; who asks to go earlier asks for nothing.
    if (score && *score > 0)
      context.problems.warn(member->place, fmt::format("\"oom_score_adj\" is ignored: {}", key.note));
    else if (score && *score < 0)
      context.problems.error(member->place, fmt::format("\"oom_score_adj\" is refused: {}", reason_of(key)));
  }
  read_resolver(service, context, machine);
  const Node* dns = service.find("dns");
  if (!dns || dns->is_empty()) return;
  if (!context.egress) {
    context.problems.warn(dns->place, fmt::format("`dns` is rewritten: {}", reason_of(*find_key("service", "dns"))));
    return;
  }
  for (const Node* item : as_list(*dns, "dns", context)) {
    const auto address = as_text(*item, "dns", context, 45);
    const bool fine = address && address->find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos;
    if (fine) machine.dns.push_back(*address);
    else if (address) context.problems.error(item->place, fmt::format("\"{}\" is no address", printable(*address)));
  }
}

void read_pull_policy(const Node& service, ReadContext& context) {
  const Node* node = service.find("pull_policy");
  const auto text = node ? as_text(*node, "pull_policy", context, 40) : std::nullopt;
  if (!text || text->empty()) return;
  if (*text == "never" || *text == "missing" || *text == "if_not_present" || *text == "build") return;
  if (*text == "always" || *text == "newer" || *text == "daily" || *text == "weekly" || text->starts_with("every_")) {
    context.problems.warn(node->place, fmt::format("pull_policy {} is rewritten to missing: images are made when the "
                                                   "template is loaded; write another tag to have "
                                                   "another image",
                                                   *text));
    return;
  }
  context.problems.error(node->place, fmt::format("pull_policy \"{}\" is not known", printable(*text)));
}

void read_profiles(const Node& service, ReadContext& context, ReadService& out) {
  const Node* node = service.find("profiles");
  if (!node) return;
  for (const Node* item : as_list(*node, "profiles", context)) {
    if (auto text = as_text(*item, "profiles", context, 63)) out.profiles.push_back(std::move(*text));
  }
}

void check_deploy(const Node& service, ReadContext& context) {
  const Node* deploy = service.find("deploy");
  if (!deploy || !want_map(*deploy, "deploy", context)) return;
  check_keys(*deploy, "service.deploy", context.problems);
  warn_of_copies(*deploy, "service.deploy", "replicas", context);
  if (const Node* resources = deploy->find("resources"); resources && want_map(*resources, "resources", context)) {
    check_keys(*resources, "service.deploy.resources", context.problems);
    for (const std::string_view part : {"limits", "reservations"}) {
      const Node* node = resources->find(part);
      if (node && want_map(*node, part, context)) {
        check_keys(*node, fmt::format("service.deploy.resources.{}", part), context.problems);
      }
    }
  }
  if (const Node* policy = deploy->find("restart_policy"); policy && want_map(*policy, "restart_policy", context)) {
    check_keys(*policy, "service.deploy.restart_policy", context.problems);
  }
}

/// One env_file entry: a path, or a map of path, required and format.
void read_env_file(const Node& entry, ReadContext& context, std::map<std::string, std::string>& values,
                   std::vector<std::string>& order) {
  const Node* path = &entry;
  bool required = true, raw = false;
  if (entry.is_map()) {
    check_keys(entry, "service.env_file", context.problems);
    path = entry.find("path");
    required = bool_at(entry, "required", context).value_or(true);
    const auto format = text_at(entry, "format", context, 20);
    raw = format == "raw";
    if (format && !raw) context.problems.error(entry.find("format")->place, "format \"raw\" is the only one there is");
  }
  const auto name = path ? as_text(*path, "env_file", context) : std::nullopt;
  if (!name) {
    if (!path) context.problems.error(entry.place, "`env_file` needs a path");
    return;
  }
  const auto found = context.inside.locate(path->place.base(), *name);
  if (!found) return context.problems.error(path->place, found.error());
  if (found->kind == Found::Kind::kAbsent && !required) return;
  const auto content = context.inside.read(path->place.base(), *name, 256 * 1024);
  if (!content) return context.problems.error(path->place, content.error());
  context.files[found->path] = *content;
  const auto source = std::make_shared<const Source>(Source{found->path, {}});
  for (auto& line : parse_env(*content, context.variables, source, raw, context.problems)) {
    const std::string* known = line.value ? &*line.value : context.variables.find(line.name);
    if (!known) continue;
    if (!values.contains(line.name)) order.push_back(line.name);
    values[line.name] = *known;
  }
}

}  // namespace

bool ReadContext::allows(std::string_view key) const {
  for (const auto& who : {id, std::string("*")}) {
    const auto found = options.allow.find(who);
    if (found != options.allow.end() && std::ranges::find(found->second.keys, key) != found->second.keys.end())
      return true;
  }
  return false;
}

void read_environment(const Node& service, ReadContext& context, engine::Container& container) {
  std::map<std::string, std::string> values;
  std::vector<std::string> order;
  if (const Node* files = service.find("env_file")) {
    if (files->is_map()) {
      read_env_file(*files, context, values, order);
    } else {
      const auto entries = as_list(*files, "env_file", context);
      if (entries.size() > 16) context.problems.error(files->place, "more than 16 files");
      for (std::size_t i = 0; i < entries.size() && i < 16; ++i) read_env_file(*entries[i], context, values, order);
    }
  }
  const Node* said = service.find("environment");
  const Node pairs = said ? as_pairs(*said) : Node{};
  if (said && !said->is_null() && !pairs.is_map()) {
    context.problems.error(said->place, "`environment` takes a map, or a list of NAME=value");
  }
  for (const auto& [name, place, value] : pairs.members) {
    if (name.empty() || name.size() > 200 || name.find_first_of("= \t\n") != std::string::npos) {
      context.problems.error(place, fmt::format("\"{}\" is no name for a variable", printable(name)));
      continue;
    }
    if (value.is_sequence() || value.is_map()) {
      context.problems.error(value.place, fmt::format("`{}` takes a text, not {}", printable(name), kind_name(value)));
      continue;
    }
    const std::string* known = value.is_scalar() ? &value.text : context.variables.find(name);
    if (!known && !is_spawn_name(name)) continue;  // only named, and known nowhere: not set, as in Compose
    if (!values.contains(name)) order.push_back(name);
    values[name] = known ? *known : "${" + name + "}";
  }
  if (order.size() > kMostVariables) {
    context.problems.error(service.place,
                           fmt::format("{} variables; a machine gets at most {}", order.size(), kMostVariables));
    return;
  }
  for (const auto& name : order) {
    if (values[name].size() > kLongestVariable)
      context.problems.error(service.place, fmt::format("the variable {} is too long", printable(name)));
    container.environment.push_back(fmt::format("{}={}", name, values[name]));
  }
}

void read_labels(const Node& service, ReadContext& context, engine::MachineBase& machine) {
  if (const Node* files = service.find("label_file")) {
    for (const Node* item : as_list(*files, "label_file", context)) {
      const auto name = as_text(*item, "label_file", context);
      if (!name) continue;
      const auto found = context.inside.locate(item->place.base(), *name);
      const auto content = context.inside.read(item->place.base(), *name, 256 * 1024);
      if (!content) {
        context.problems.error(item->place, content.error());
        continue;
      }
      context.files[found->path] = *content;
      const auto source = std::make_shared<const Source>(Source{found->path, {}});
      for (const auto& line : parse_env(*content, context.variables, source, false, context.problems)) {
        if (line.name.starts_with("tiltyard."))
          context.problems.error(Place{source, line.line}, "labels tiltyard.* are the server's");
        else machine.labels[line.name] = line.value.value_or("");
      }
    }
  }
  const Node* said = service.find("labels");
  if (!said || said->is_null()) return;
  const Node pairs = as_pairs(*said);
  if (!pairs.is_map()) return context.problems.error(said->place, "`labels` takes a map, or a list of name=value");
  for (const auto& [name, place, value] : pairs.members) {
    if (name.starts_with("tiltyard.")) context.problems.error(place, "labels tiltyard.* are the server's");
    else machine.labels[name] = as_text(value, "labels", context).value_or("");
  }
}

/// The check's command, as the engine takes it; empty: the image's own.
std::vector<std::string> read_health_test(const Node& test, ReadContext& context) {
  if (test.is_scalar()) {
    const std::string text = as_text(test, "test", context).value_or("");
    return trim(text) == "NONE" ? std::vector<std::string>{"NONE"} : std::vector<std::string>{"CMD-SHELL", text};
  }
  std::vector<std::string> words;
  for (const Node* item : as_list(test, "test", context)) words.push_back(as_text(*item, "test", context).value_or(""));
  if (words.empty() || words.front() == "NONE") return words;
  if (words.front() != "CMD" && words.front() != "CMD-SHELL") {
    context.problems.error(test.place,
                           fmt::format("`test` as a list starts with CMD, CMD-SHELL or NONE; write [CMD, {}, …]",
                                       printable(words.front(), 40)));
  } else if (words.size() < 2) {
    context.problems.error(
        test.place, fmt::format("`test` has no command behind {}; write [{}, \"…\"]", words.front(), words.front()));
  } else if (words.front() == "CMD-SHELL" && words.size() > 2) {
    context.problems.warn(
        test.place, fmt::format("the shell runs only \"{}\", what follows are its $0, $1, …; write one text, or CMD "
                                "in place of CMD-SHELL",
                                printable(words[1], 40)));
  }
  return words;
}

/// A time of a check; 0 is the engine's default, as if nothing were said.
void read_health_time(const Node& health, std::string_view key, milliseconds& into, ReadContext& context) {
  constexpr milliseconds kLeast{100}, kMost = std::chrono::hours{1};
  const Node* said = health.find(key);
  const auto value = said ? as_duration(*said, key, context) : std::nullopt;
  if (!value || value->count() == 0) return;
  into = std::clamp(*value, key == "start_period" ? milliseconds{1} : kLeast, kMost);
  if (into != *value)
    context.problems.warn(said->place,
                          fmt::format("`{0}` is rewritten to {1} ms: it is from {2} ms to an hour; write {1}ms", key,
                                      into.count(), kLeast.count()));
}

void read_health(const Node& service, ReadContext& context, engine::Container& container) {
  const Node* node = service.find("healthcheck");
  if (!node || !want_map(*node, "healthcheck", context)) return;
  check_keys(*node, "service.healthcheck", context.problems);
  engine::HealthCheck health;
  if (const Node* test = node->find("test"); test && !test->is_null()) health.test = read_health_test(*test, context);
  health.disabled =
      bool_at(*node, "disable", context).value_or(false) || (!health.test.empty() && health.test.front() == "NONE");
  read_health_time(*node, "interval", health.interval, context);
  read_health_time(*node, "timeout", health.timeout, context);
  read_health_time(*node, "start_period", health.start_period, context);
  if (const Node* retries = node->find("retries")) {
    const auto said = as_integer(*retries, "retries", context, 0, 1'000'000).value_or(0);
    if (said != 0) health.retries = static_cast<int>(said);
  }
  // Without a test the image's own is used with these times; only the engine knows it.
  container.health = std::move(health);
}

void read_restart(const Node& service, ReadContext& context, engine::Container& container) {
  const Node* node = service.find("restart");
  const Node* deploy = service.find("deploy");
  const Node* policy = deploy && deploy->is_map() ? deploy->find("restart_policy") : nullptr;
  if (policy && policy->is_map()) {
    const std::string condition = text_at(*policy, "condition", context, 20).value_or("any");
    const Node* attempts = policy->find("max_attempts");
    const auto most = attempts ? as_integer(*attempts, "max_attempts", context, 0, 1000) : std::nullopt;
    if (condition == "none") container.restart = "no";
    else if (condition == "any") container.restart = "always";
    else if (condition == "on-failure")
      container.restart = most && *most > 0 ? fmt::format("on-failure:{}", *most) : "on-failure";
    else
      context.problems.error(
          policy->place,
          fmt::format("condition \"{}\" is not known; there are none, on-failure and any", printable(condition)));
  }
  const auto text = node ? as_text(*node, "restart", context, 40) : std::nullopt;
  if (!text) return;
  std::string_view rest = *text;
  const std::string before = container.restart;
  if (rest == "no" || rest == "false" || rest.empty()) container.restart = "no";
  else if (rest == "always" || rest == "unless-stopped" || rest == "on-failure") container.restart = rest;
  else if (rest.starts_with("on-failure:") && parse_integer(rest.substr(11)).value_or(-1) >= 0)
    container.restart = rest;
  else
    return context.problems.error(
        node->place, fmt::format("restart \"{}\" is not known; there are no, always, on-failure[:N] and unless-stopped",
                                 printable(rest)));
  if (policy && policy->is_map() && before != container.restart) {
    context.problems.warn(node->place,
                          fmt::format("`restart: {}` is not heard: `deploy.restart_policy` says \"{}\", and "
                                      "wins",
                                      container.restart, before),
                          Fix{.deed = Fix::Deed::kDrop, .from = "restart"});
    container.restart = before;
  }
}

ReadService read_service(const Member& member, ReadContext& context) {
  ReadService out;
  out.place = member.place;
  out.service.name = member.key;
  const Node& service = member.value;
  if (!is_name(member.key)) {
    context.problems.error(member.place, fmt::format("\"{}\" is no name for a service", printable(member.key)));
  }
  if (!service.is_map()) {
    context.problems.error(service.place, fmt::format("service \"{}\" is {}; it must be a map", printable(member.key),
                                                      kind_name(service)));
    return out;
  }
  check_keys(service, "service", context.problems, kDecidedElsewhere);
  check_deploy(service, context);
  auto& machine = out.service.machine;
  auto& container = out.service.container;
  read_image(member, context, out);
  container.entrypoint = read_command(service, "entrypoint", context);
  container.command = read_command(service, "command", context);
  read_environment(service, context, container);
  read_labels(service, context, machine);
  read_identity(service, context, out.service);
  read_stop(service, context, out.service);
  read_restart(service, context, container);
  read_health(service, context, container);
  read_pull_policy(service, context);
  read_rewritten(service, context, machine);
  if (const Node* platform = service.find("platform")) check_platform(*platform, context);
  container.init = bool_at(service, "init", context).value_or(false);
  container.read_only = bool_at(service, "read_only", context).value_or(false);
  container.terminal = bool_at(service, "tty", context).value_or(false);
  container.open_stdin = bool_at(service, "stdin_open", context).value_or(false);
  read_limits(&service, context, machine.resources);
  read_privileges(service, context, container);
  out.service.set_user_id = set_user_id(&service, context);
  read_profiles(service, context, out);
  read_mounts(service, context, out);
  read_files(service, "configs", context, out);
  read_files(service, "secrets", context, out);
  read_network_use(service, context, out);
  read_container_name(service, context, out);
  read_ports(service, context, out);
  read_depends_on(service, context, out);
  read_extra_hosts(service, context, out);
  return out;
}

}  // namespace tiltyard::templates
