// What the configuration says of templates, and of what their machines get.
#include <algorithm>

#include "config/keys.h"
#include "templates/reader.h"

namespace tiltyard::templates {
namespace {

namespace form = config::form;

constexpr std::uint64_t kLeastSaid = 6ULL << 20, kMostSaid = 1ULL << 40;

/// "egress", "privileged", "setuid", "devices", "cap:NAME", "sysctl:NAME", "bind:/PATH"
bool is_allowance(std::string_view text) {
  const auto only = [](std::string_view name, auto allowed) {
    return !name.empty() && std::ranges::all_of(name, allowed);
  };
  const auto upper = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (text == "egress" || text == "privileged" || text == "setuid" || text == "devices") return true;
  if (text.starts_with("cap:")) return only(text.substr(4), upper);
  if (text.starts_with("sysctl:")) return only(text.substr(7), plain);
  return text.starts_with("bind:/");
}

config::Problem put_allowances(const config::Raw& raw, std::map<std::string, Allowances>& allow) {
  const auto* table = std::get_if<config::RawTable>(&raw);
  if (table == nullptr) return std::string();
  std::map<std::string, Allowances> read;
  for (const auto& [id, item] : *table) {
    const auto* keys = std::get_if<std::vector<std::string>>(&item);
    if (id.empty() || keys == nullptr || !std::ranges::all_of(*keys, is_allowance)) return std::string();
    read[id].keys = *keys;
  }
  allow = std::move(read);
  return std::nullopt;
}

/// "id=egress,cap:SYS_PTRACE;id2=egress"
config::Raw allowances_from_variable(const std::string& text) {
  config::RawTable table;
  for (const std::string& entry : config::split(text, ';')) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos) return text;
    table[entry.substr(0, equals)] = config::split(entry.substr(equals + 1), ',');
  }
  return table;
}

std::string allowances_text(const std::map<std::string, Allowances>& allow) {
  std::string out;
  for (const auto& [id, allowances] : allow)
    out += (out.empty() ? " " : ", ") + config::toml_text(id) + " = " + config::list_text(allowances.keys);
  return out.empty() ? std::string("{}") : "{" + out + " }";
}

config::Value allowances(std::map<std::string, Allowances>& allow) {
  config::Value value;
  value.takes = "a table from template ids to lists of allowances";
  value.put = [&allow](const config::Raw& raw) { return put_allowances(raw, allow); };
  value.shown = [&allow] { return allowances_text(allow); };
  value.from_variable = allowances_from_variable;
  return value;
}

/// Memory without swap: the two bounds are one.
config::Section::Field<std::uint64_t> memory_of(engine::Resources& resources) {
  return {[&resources] { return static_cast<std::uint64_t>(resources.memory); },
          [&resources](std::uint64_t bytes) {
            resources.memory = resources.memory_swap = static_cast<std::int64_t>(bytes);
          }};
}

void declare_limits(config::Keys& keys, engine::Resources& defaults, engine::Resources& ceiling) {
  keys.section("limits", "What a machine gets, and may get.")
      .bytes("memory", memory_of(defaults), kLeastSaid, kMostSaid, "Memory of a machine whose template names none.")
      .real("cpus", defaults.cpus, 0.01, 1024, "Processor cores of a machine whose template names none.")
      .number("pids", defaults.pids, 8, 1'000'000, "Processes of a machine whose template names none.")
      .bytes("disk", defaults.disk, std::uint64_t{16} << 20, kMostSaid,
             "What a machine may write to disk whose template names nothing: its layer, volumes, binds and flag files.")
      .number("inodes", defaults.inodes, 1000, 1'000'000'000,
              "Files and folders that a machine may make whose template names nothing.")
      .bytes("max_memory", memory_of(ceiling), kLeastSaid, kMostSaid,
             "The most memory that a template may ask for, per machine.")
      .real("max_cpus", ceiling.cpus, 0.01, 1024, "The most processor cores that a template may ask for, per machine.")
      .bytes("max_disk", ceiling.disk, std::uint64_t{16} << 20, kMostSaid,
             "The most disk that a template may ask for, per machine.")
      .number("max_inodes", ceiling.inodes, 1000, 1'000'000'000,
              "The most files and folders that a template may ask for, per machine.")
      .number("max_pids", ceiling.pids, 8, 1'000'000, "The most processes that a template may ask for, per machine.");
  keys.afterwards([&defaults, &ceiling](config::Problems& problems) {
    problems.expect(defaults.memory <= ceiling.memory, "limits.memory is above limits.max_memory.");
    problems.expect(defaults.cpus <= ceiling.cpus, "limits.cpus is above limits.max_cpus.");
    problems.expect(defaults.disk <= ceiling.disk, "limits.disk is above limits.max_disk.");
    problems.expect(defaults.inodes <= ceiling.inodes, "limits.inodes is above limits.max_inodes.");
    problems.expect(defaults.pids <= ceiling.pids, "limits.pids is above limits.max_pids.");
  });
}

}  // namespace

Options site_options() {
  Options options;
  options.path = "templates";
  options.bounds = standard_bounds();
  options.bounds.ceiling.cpus = 4;
  options.bounds.ceiling.memory = options.bounds.ceiling.memory_swap = std::int64_t{4} << 30;
  options.bounds.ceiling.pids = 4096;
  return options;
}

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("templates", "What can be started.")
      .text("path", options.path, form::kPath, "The folder that holds one folder per template.")
      .flag("watch", options.watch, "Reload a template as soon as a file in its folder changes.")
      .number("builds_at_once", options.builds_at_once, 1, 16, "Images that are built side by side.")
      .time("keep_unneeded_images", options.keep_unneeded, std::chrono::seconds{0}, std::chrono::hours{24 * 366},
            "How long a build stays that no template, instance or pool needs any more; 0s: until somebody removes it "
            "(tiltyard images collect).")
      .flag("allow_pull", options.allow_pull,
            "Whether images may be pulled from a registry; otherwise they must be there.")
      .choice(
          "setuid", options.setuid, {{"as-image", true}, {"forbid", false}},
          "Whether set-user-ID programs and file capabilities work in machines (sudo, su, a challenge's own helper). "
          "\"as-image\": where an image holds some and its template does not say setuid = false; never with more "
          "capabilities than the machine has anyway. \"forbid\": every machine has no-new-privileges, but for "
          "templates that are allowed \"setuid\".")
      .own("allow", allowances(options.allow),
           "What single templates may have beyond the safe defaults: a table from the template's id (\"*\": every "
           "template) to a list of \"egress\", \"privileged\", \"setuid\", \"devices\", \"cap:NAME\", \"sysctl:NAME\", "
           "\"bind:/PATH\". As a variable: id=egress,cap:SYS_PTRACE;id2=egress.");
  declare_limits(keys, options.bounds.defaults, options.bounds.ceiling);
}

}  // namespace tiltyard::templates
