#include "templates/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <set>
#include <span>

#include "bpf/filter.h"
#include "templates/desktop_key.h"
#include "templates/faults.h"
#include "templates/interpolate.h"
#include "templates/open_ports.h"
#include "templates/text.h"
#include "templates/toml_table.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const char kFile[] = "instance.toml";

void read_ports(Table& top, Settings& settings) {
  const toml::node* node = top.take("ports");
  if (!node) return;
  const toml::array* list = node->as_array();
  if (!list || list->size() > 32) {
    top.wrong("ports", *node, "a list of at most 32 port numbers");
    return;
  }
  settings.ports_said = true;
  for (const auto& item : *list) {
    std::optional<std::int64_t> number = item.value_exact<std::int64_t>();
    if (const auto written = item.value_exact<std::string>()) number = parse_integer(*written);
    if (!number || *number < 1 || *number > 65535) {
      top.wrong("ports", item, "port numbers from 1 to 65535");
      continue;
    }
    const auto port = static_cast<std::uint16_t>(*number);
    const bool twice = std::ranges::any_of(settings.ports, [port](const auto& one) { return one.value == port; });
    if (twice) top.problems().error(top.place(item), fmt::format("port {} is there twice", port));
    else settings.ports.push_back({port, top.place(item)});
  }
}

template <class T>
void only_once(Table& top, std::optional<Said<T>>& kept, std::optional<Said<T>> other, std::string_view names) {
  if (!other) return;
  if (kept && kept->value != other->value) {
    top.problems().error(other->place, fmt::format("{} say different things; keep one of them", names));
  }
  if (!kept) kept = std::move(other);
}

void read_limits(Table& top, Limits& limits) {
  limits.memory = top.bytes("mem_limit");
  only_once(top, limits.memory, top.bytes("memory"), "mem_limit and memory");
  limits.cpus = top.decimal("cpus");
  limits.pids = top.integer("pids_limit", 1, 1'000'000);
  only_once(top, limits.pids, top.integer("pids", 1, 1'000'000), "pids_limit and pids");
  limits.disk = top.bytes("disk");
  auto table = top.table("limits");
  if (!table) return;
  only_once(top, limits.cpus, table->decimal("cpus"), "cpus and limits.cpus");
  only_once(top, limits.memory, table->bytes("memory"), "mem_limit and limits.memory");
  only_once(top, limits.pids, table->integer("pids", 1, 1'000'000), "pids_limit and limits.pids");
  only_once(top, limits.disk, table->bytes("disk"), "disk and limits.disk");
  limits.inodes = table->integer("inodes", 1000, 1'000'000'000);
  limits.swap = table->bytes("swap");
  limits.files = table->integer("files", 16, 1'048'576);
  table->finish();
}

void read_lease(Table& top, LeaseSettings& lease) {
  lease.timeout = top.whole_seconds("timeout", seconds{1});
  lease.extend_by = top.whole_seconds("extend_time");
  auto table = top.table("lease");
  if (!table) return;
  lease.policy = table->text("policy");
  if (auto own = table->whole_seconds("timeout", seconds{1})) lease.timeout = own;
  if (auto own = table->whole_seconds("extend_by")) lease.extend_by = own;
  lease.extend_after = table->whole_seconds("extend_after");
  lease.extend_within = table->whole_seconds("extend_within");
  lease.max_added = table->whole_seconds("max_added");
  lease.max_total = table->whole_seconds("max_total");
  if (auto most = table->integer("max_extensions", 0, 10'000)) lease.max_extensions = static_cast<int>(most->value);
  table->finish();
}

/// What a Host field may say: a name or an address, with or without a port.
bool is_authority(std::string_view text) {
  const auto colon = text.find(':');
  const auto port = colon == std::string_view::npos ? std::string_view("1") : text.substr(colon + 1);
  const auto name = text.substr(0, colon);
  return !name.empty() && name.size() <= 253 && !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; }) &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == '_';
         });
}

/// true and false, or how raw TCP is to tell its owner: a page has no line that could be asked for a token, and its
/// visitors are told apart by more than their address.
std::optional<Said<Door>> read_door(Table& table, std::optional<EndpointKind> kind) {
  const toml::node* node = table.take("owner_only");
  if (!node) return std::nullopt;
  const auto place = table.place(*node);
  if (const auto only = node->value_exact<bool>()) return Said<Door>{*only ? Door::kOwner : Door::kOpen, place};
  const auto word = node->value_exact<std::string>();
  for (const auto door : {Door::kAddress, Door::kPrompt}) {
    if (!word || *word != word_of(door)) continue;
    if (!kind || speaks_http(*kind)) {
      table.problems().error(
          place, fmt::format("owner_only = \"{0}\" is a way of raw TCP: say kind = \"tcp\" beside it, or owner_only = "
                             "true, which does for every kind",
                             *word));
    } else if (door == Door::kPrompt && kind == EndpointKind::kUdp) {
      table.problems().error(place,
                             "owner_only = \"prompt\" asks in a line of raw TCP, and this is an endpoint of kind udp: "
                             "write owner_only = true, and its owner's address lets in");
    }
    return Said<Door>{door, place};
  }
  table.wrong("owner_only", *node, "true, false, \"address\" or \"prompt\"");
  return std::nullopt;
}

void read_endpoint(Table& table, Settings& settings) {
  EndpointSettings endpoint;
  endpoint.place = table.place();
  if (auto name = table.text("name")) {
    endpoint.name = name->value;
    if (!is_slug(endpoint.name, 30)) {
      table.problems().error(name->place,
                             "an endpoint's name has at most 30 lower-case letters, digits and single \"-\"");
    }
  }
  if (auto machine = table.text("machine")) endpoint.machine = machine->value;
  if (auto port = table.integer("port", 1, 65535)) {
    endpoint.port = static_cast<std::uint16_t>(port->value);
    endpoint.place = port->place;
  } else if (!table.raw().get("port")) {
    table.problems().error(endpoint.place, "an endpoint needs its port");
  }
  if (auto kind = table.text("kind")) {
    if (auto known = endpoint_kind(kind->value)) endpoint.kind = *known;
    else table.problems().error(kind->place, std::move(known.error().message));
  }
  if (auto host = table.text("host")) {
    if (is_authority(host->value)) endpoint.host = std::move(host);
    else
      table.problems().error(host->place, fmt::format("\"{}\" is no host: write a name such as \"localhost\", with a "
                                                      "port where the program wants one (\"localhost:3000\")",
                                                      printable(host->value)));
  }
  if (auto tls = table.text("tls")) {
    for (const auto end : {TlsEnd::kMachine, TlsEnd::kGateway}) {
      if (tls->value == word_of(end)) endpoint.tls = Said<TlsEnd>{end, tls->place};
    }
    if (!endpoint.tls)
      table.problems().error(
          tls->place, fmt::format("tls is \"through\" (the machine has a certificate of its own) or \"end\" (the "
                                  "gateway shows its certificate, the machine gets what was in it), not \"{}\"",
                                  printable(tls->value)));
  }
  if (auto version = table.integer("proxy_protocol", 1, 2))
    endpoint.proxy_protocol = Said<std::uint8_t>{static_cast<std::uint8_t>(version->value), version->place};
  endpoint.client_claims = table.flag("client_claims");
  endpoint.door = read_door(table, endpoint.kind);
  table.finish();
  if (endpoint.port != 0) settings.endpoints.push_back(std::move(endpoint));
}

void read_endpoints(Table& top, Settings& settings) {
  const toml::node* node = top.take("endpoint");
  if (!node) return;
  const toml::array* list = node->as_array();
  if (!list || list->size() > 32) {
    top.wrong("endpoint", *node, "tables; write [[endpoint]] for each, at most 32");
    return;
  }
  for (const auto& item : *list) {
    const toml::table* inner = item.as_table();
    if (!inner) {
      top.wrong("endpoint", item, "tables; write [[endpoint]] for each");
      continue;
    }
    Table table = top.below(*inner, "endpoint");
    read_endpoint(table, settings);
  }
}

void read_ready(Table& top, ReadySettings& ready) {
  auto table = top.table("ready");
  if (!table) return;
  ready.machine = table->text("machine");
  if (auto path = table->text("path", 500)) {
    if (path->value.starts_with('/')) ready.path = path->value;
    else top.problems().error(path->place, "ready.path starts with \"/\"");
  }
  if (auto port = table->integer("port", 1, 65535)) {
    ready.port = Said<std::uint16_t>{static_cast<std::uint16_t>(port->value), port->place};
  }
  ready.timeout = table->duration("timeout", seconds{1}, milliseconds{1});
  ready.interval = table->duration("interval", milliseconds{1}, milliseconds{50});
  table->finish();
}

void read_words(Table& top, Settings& settings) {
  constexpr std::array<std::string_view, 5> kAccess{"web", "tcp", "ssh", "udp", "terminal"};
  for (auto& word : top.texts("access")) {
    if (std::ranges::find(kAccess, word.value) == kAccess.end()) {
      top.problems().error(word.place,
                           fmt::format("access \"{}\" is not known; there are web, tcp, ssh, udp and terminal{}",
                                       printable(word.value), did_you_mean(word.value, kAccess)));
    } else {
      settings.access.push_back(word);
    }
  }
  if (top.raw().contains("profiles")) settings.profiles.emplace();
  for (auto& profile : top.texts("profiles")) settings.profiles->push_back(std::move(profile.value));
  auto variables = top.table("variables");
  if (!variables) return;
  for (const auto& [key, node] : variables->raw()) {
    const std::string name(key.str());
    const auto value = node.value<std::string>();
    const auto number = node.value_exact<std::int64_t>();
    if (is_spawn_name(name)) {
      top.problems().error(variables->place(node), fmt::format("{} is set when an instance starts", printable(name)));
    } else if (value && value->size() <= 16'384) {
      settings.variables[name] = *value;
    } else if (number) {
      settings.variables[name] = std::to_string(*number);
    } else {
      variables->wrong(printable(name), node, "a text or a whole number");
    }
  }
}

bool is_prefix(std::string_view text) {
  return text.size() <= 32 && std::ranges::all_of(text, [](char c) {
           return is_name(std::string_view(&c, 1)) || c == '_' || c == '-' || c == '.';
         });
}

bool is_alphabet(std::string_view text) {
  const auto plain = [](char c) {
    return c > ' ' && c < 127 && c != '{' && c != '}' && c != '"' && c != '\\' && c != '<' && c != '&';
  };
  return text.size() >= 2 && text.size() <= 64 && std::ranges::all_of(text, plain) &&
         std::set<char>(text.begin(), text.end()).size() == text.size();
}

bool is_variable(std::string_view text) {
  const auto fits = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !text.empty() && text.size() <= 64 && std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
         std::ranges::all_of(text, fits);
}

/// The absolute path of a file in a machine.
bool is_path_inside(const std::string& path) {
  return path.size() > 1 && path[0] == '/' && !path.ends_with('/') && path.find("/../") == std::string::npos &&
         !path.ends_with("/..");
}

void read_credentials(Table& top, Settings& settings) {
  auto table = top.table("credentials");
  if (!table) return;
  auto& problems = top.problems();
  Credentials made;
  const auto user = table->text("user"), password = table->text("password"), file = table->text("file"),
             variable = table->text("variable");
  if (const auto said = table->flag("per_owner")) made.per_owner = said->value;
  if (const auto said = table->flag("writable")) made.writable = said->value;
  settings.credentials_machine = table->text("machine");
  if (auto said = table->text("read")) {
    if (said->value == "start" || said->value == "always") made.read_at_start = said->value == "start";
    else
      problems.error(said->place,
                     "credentials.read is \"always\" (each time it is needed) or \"start\" (once, at its start)");
  }
  table->finish();
  if (!user || password.has_value() == made.per_owner) {
    return problems.error(table->place(), "credentials needs user and password, or user and per_owner = true");
  }
  made.user = user->value;
  if (password) made.password = password->value;
  if (file && !is_path_inside(file->value)) {
    problems.error(file->place, "credentials.file is the absolute path of a file in the machine, without \"..\"");
  } else if (file) {
    made.file = file->value;
  }
  if (variable && !is_variable(variable->value)) {
    problems.error(variable->place,
                   "credentials.variable is the name of an environment variable: letters, digits and \"_\"");
  } else if (variable) {
    made.variable = variable->value;
  }
  if (made.per_owner && !file && !variable) {
    problems.error(table->place(), "credentials.per_owner: no machine would know the password; say file or variable");
  }
  settings.credentials = std::move(made);
  settings.credentials_place = table->place();
}

void read_flag(Table& top, Settings& settings) {
  auto table = top.table("flag");
  if (!table) return;
  auto& problems = top.problems();
  auto& flag = settings.flag;
  if (auto said = table->text("prefix")) {
    if (is_prefix(said->value)) settings.flag_prefix = said->value;
    else problems.error(said->place, "flag.prefix has at most 32 letters, digits, \"_\", \".\" and \"-\"");
  }
  if (auto said = table->text("alphabet")) {
    if (is_alphabet(said->value)) flag.alphabet = said->value;
    else
      problems.error(
          said->place,
          "flag.alphabet has 2 to 64 different printable characters, without braces, quotes, \"\\\", \"<\" and \"&\"");
  }
  if (auto said = table->text("base", 100)) {
    if (said->value.find_first_of("{}") == std::string::npos) flag.base = said->value;
    else problems.error(said->place, "flag.base is the text between the braces, without them");
  }
  if (auto said = table->text("file")) {
    if (is_path_inside(said->value)) flag.file = said->value;
    else problems.error(said->place, "flag.file is the absolute path of a file in the machine, without \"..\"");
  }
  if (auto said = table->text("variable")) {
    if (is_variable(said->value)) flag.variable = said->value;
    else problems.error(said->place, "flag.variable is the name of an environment variable: letters, digits and \"_\"");
  }
  if (const auto said = table->flag("writable")) flag.writable = said->value;
  settings.flag_machine = table->text("machine");
  if (auto said = table->text("read")) {
    if (said->value == "start" || said->value == "always") flag.read_at_start = said->value == "start";
    else
      problems.error(said->place,
                     "flag.read is \"always\" (each time it is needed) or \"start\" (once, when the program starts)");
  }
  table->finish();
}

void read_pool(Table& top, Settings& settings) {
  auto table = top.table("pool");
  if (!table) return;
  auto& pool = settings.pool;
  const auto min = table->integer("min", 0, 10'000), max = table->integer("max", 0, 10'000);
  if (min) pool.min = static_cast<int>(min->value);
  pool.max = max ? static_cast<int>(max->value) : pool.min;
  if (pool.max < pool.min)
    top.problems().error(max->place, fmt::format("pool.max is {}, less than pool.min, {}", pool.max, pool.min));
  if (const auto idle = table->whole_seconds("idle", seconds{1})) pool.idle = *idle;
  if (const auto age = table->whole_seconds("max_age", seconds{1})) pool.max_age = *age;
  if (const auto pause = table->flag("pause")) pool.pause = pause->value;
  table->finish();
}

void read_solver(Table& top, Settings& settings) {
  auto table = top.table("solve");
  if (!table) return;
  SolverSettings solver;
  solver.place = table->place();
  solver.image = table->text("image", 300);
  solver.build = table->text("build");
  for (auto& word : table->texts("command")) solver.command.push_back(std::move(word.value));
  if (const auto timeout = table->whole_seconds("timeout", seconds{1})) solver.timeout = *timeout;
  table->finish();
  if (solver.image.has_value() == solver.build.has_value()) {
    top.problems().error(solver.place, "solve needs either `image`, or `build`: a folder with a Dockerfile");
    return;
  }
  settings.solver = std::move(solver);
}

void read_capture(Table& top, Settings& settings) {
  auto table = top.table("capture");
  if (!table) return;
  CapturePolicy capture;
  if (auto said = table->text("filter", bpf::kLongestFilter)) {
    if (bpf::names_a_host(said->value)) {
      top.problems().error(said->place,
                           "capture.filter names a host: write its address, a start asks the DNS for nothing");
    } else if (const auto compiled = bpf::compile(said->value); !compiled) {
      top.problems().error(said->place, "capture.filter: " + compiled.error().message);
    }
    capture.filter = said->value;
  }
  if (const auto said = table->bytes("keep")) {
    constexpr std::int64_t kLeast = 1 << 20;
    capture.bytes = said->value;
    if (said->value < kLeast) top.problems().error(said->place, "capture.keep is at least 1m");
  }
  if (const auto said = table->whole_seconds("for", seconds{1})) capture.lasts = *said;
  table->finish();
  settings.capture = std::move(capture);
}

void read_record(Table& top, Settings& settings) {
  for (const auto& said : top.texts("record")) {
    if (said.value == "terminal") settings.record_terminals = true;
    else top.problems().error(said.place, "record has \"terminal\" alone: nothing else can be recorded");
  }
}

void read_rest(Table& top, Settings& settings) {
  settings.id = top.text("id");
  settings.image = top.text("image", 300);
  if (auto said = top.text("name")) settings.name = said->value;
  if (auto said = top.text("category")) settings.category = said->value;
  if (auto said = top.text("description", 8000)) settings.description = said->value;
  if (auto said = top.flag("active")) settings.active = said->value;
  if (auto said = top.flag("disable_dynamic_flags")) settings.dynamic_flags = !said->value;
  if (auto said = top.text("flag_prefix")) {
    if (is_prefix(said->value)) settings.flag_prefix = said->value;
    else top.problems().error(said->place, "flag_prefix has at most 32 letters, digits, \"_\", \".\" and \"-\"");
  }
  if (auto said = top.text("cost_centre")) {
    if (is_name(said->value, 40)) settings.cost_centre = said->value;
    else top.problems().error(said->place, "cost_centre has at most 40 letters, digits and \"_\"");
  }
  if (auto said = top.duration("expected_boot", seconds{1})) settings.expected_boot = *said;
  if (const auto said = top.whole_seconds("pause_after")) settings.pause_after = *said;
  if (auto said = top.integer("max_instances", 0, 1'000'000)) settings.max_instances = static_cast<int>(said->value);
  if (auto said = top.text("engine")) settings.engine = said->value;
  settings.setuid = top.flag("setuid");
  if (auto network = top.table("network")) {
    settings.egress = network->flag("egress");
    network->finish();
  }
}

LeasePolicy academy_policy() {
  LeasePolicy policy;
  policy.name = "academy";
  policy.timeout = std::chrono::hours{1};
  policy.extend_by = std::chrono::hours{1};
  policy.extend_within = std::chrono::hours{1};
  policy.max_extensions = 1;
  policy.max_total = std::chrono::hours{6};
  policy.by_context = {
      {"room", std::chrono::hours{1}}, {"path", std::chrono::hours{2}}, {"exam", std::chrono::hours{3}}};
  return policy;
}

LeasePolicy chat_policy() {
  LeasePolicy policy;
  policy.name = "chat";
  policy.timeout = std::chrono::days{7};
  policy.extend_by = std::chrono::days{7};
  policy.sweep_at = "18:00";
  return policy;
}

}  // namespace

Settings read_settings(std::string_view text, Problems& problems) {
  Settings settings;
  const auto source = std::make_shared<const Source>(Source{kFile, {}});
  if (text.size() > 1024 * 1024) {
    problems.error(Place{source, 0}, "the file has more than 1 MiB");
    return settings;
  }
  const auto clean = clean_text(text);
  if (!clean) {
    problems.error(Place{source, clean.error().line}, clean.error().message);
    return settings;
  }
  try {
    const toml::table table = toml::parse(std::string_view(*clean), std::string_view(kFile));
    Table top(table, problems, source);
    read_rest(top, settings);
    read_ports(top, settings);
    read_limits(top, settings.limits);
    read_lease(top, settings.lease);
    read_endpoints(top, settings);
    read_ready(top, settings.ready);
    read_words(top, settings);
    read_credentials(top, settings);
    read_flag(top, settings);
    read_pool(top, settings);
    read_solver(top, settings);
    read_open_ports(top, settings);
    read_capture(top, settings);
    read_record(top, settings);
    read_desktop(top, settings);
    top.finish();
    top.report_unknown();
  } catch (const toml::parse_error& failure) {
    const auto fault =
        explain_toml(*clean, {static_cast<int>(failure.source().begin.line), std::string(failure.description())});
    problems.error(Place{source, fault.line}, fault.message);
  }
  return settings;
}

LeasePolicy lease_policy(const LeaseSettings& settings, Problems& problems) {
  LeasePolicy policy;
  const std::string name = settings.policy ? settings.policy->value : "ctf";
  if (name == "academy") policy = academy_policy();
  else if (name == "chat") policy = chat_policy();
  else if (name != "ctf") {
    constexpr std::array<std::string_view, 3> kPolicies{"ctf", "academy", "chat"};
    problems.error(settings.policy->place,
                   fmt::format("lease policy \"{}\" is not known; there are ctf, academy and chat{}", printable(name),
                               did_you_mean(name, kPolicies)));
  }
  const auto set = [](seconds& number, const std::optional<seconds>& own) {
    if (own) number = *own;
  };
  set(policy.timeout, settings.timeout);
  set(policy.extend_by, settings.extend_by);
  if (settings.timeout) policy.by_context.clear();  // the author's own length holds in every context
  policy.follow_timeout();
  set(policy.extend_after, settings.extend_after);
  set(policy.extend_within, settings.extend_within);
  set(policy.max_added, settings.max_added);
  set(policy.max_total, settings.max_total);
  if (settings.max_extensions) policy.max_extensions = *settings.max_extensions;
  if (policy.max_total.count() > 0 && policy.timeout > policy.max_total) {
    problems.error(settings.policy ? settings.policy->place : place_of(kFile),
                   fmt::format("the lease's timeout of {} s is more than its max_total of {} s", policy.timeout.count(),
                               policy.max_total.count()));
  }
  return policy;
}

}  // namespace tiltyard::templates
