#include <fmt/core.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "config/forms.h"
#include "config/keys.h"
#include "config/oidc.h"
#include "config/settings.h"
#include "config/values.h"

namespace tiltyard::config {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts_of(const toml::array& array) {
  std::vector<std::string> items;
  for (const toml::node& node : array) {
    if (const auto text = node.value_exact<std::string>()) items.push_back(*text);
  }
  return items;
}

bool all_texts(const toml::array& array) {
  return std::ranges::all_of(array, [](const toml::node& node) { return node.is_string(); });
}

/// A table whose values are tables of texts and lists of texts.
Raw raw_of_tables(const toml::table& table) {
  RawTables tables;
  for (const auto& [name, node] : table) {
    auto& lists = tables[std::string(name.str())];
    const toml::table* inner = node.as_table();
    if (inner == nullptr) return Unfit{"a table with tables and something else"};
    for (const auto& [key, value] : *inner) {
      if (const auto text = value.value_exact<std::string>()) {
        lists[std::string(key.str())] = {*text};
      } else if (const toml::array* array = value.as_array(); array != nullptr && all_texts(*array)) {
        lists[std::string(key.str())] = texts_of(*array);
      } else {
        return Unfit{"a table with something else than texts and lists of texts"};
      }
    }
  }
  return tables;
}

Raw raw_of_table(const toml::table& table) {
  if (!table.empty() && table.begin()->second.is_table()) return raw_of_tables(table);
  std::map<std::string, std::vector<std::string>> lists;
  for (const auto& [name, node] : table) {
    const toml::array* array = node.as_array();
    if (array == nullptr || !all_texts(*array)) return Unfit{"a table with something else than lists of texts"};
    lists.emplace(std::string(name.str()), texts_of(*array));
  }
  return lists;
}

Raw raw_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  if (const toml::array* array = node.as_array()) {
    if (all_texts(*array)) return texts_of(*array);
    return Unfit{"a list with something else than texts"};
  }
  if (const toml::table* table = node.as_table()) return raw_of_table(*table);
  return Unfit{"a date or a time"};
}

/// The text of a secret's file without the line break at its end, or nothing when it cannot be read.
std::optional<std::string> read_secret_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  std::string secret = text.str();
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  return secret;
}

Error describe(const std::vector<std::string>& problems) {
  Error error{Code::kInvalid, "config-invalid", "", "", {}};
  for (const std::string& problem : problems) {
    error.message += (error.message.empty() ? "" : "\n") + problem;
    error.with("problem", problem);
  }
  return error;
}

/// One run of `load`: the settings so far and everything that is wrong.
class Loading {
 public:
  Loading(const std::string& path, const Environment& environment)
      : path_(path),
        folder_(path.empty() ? fs::current_path() : fs::absolute(path).parent_path()),
        environment_(environment),
        keys_(keys_of(settings_)) {}

  Result<Settings> run();

 private:
  Result<> read_file();
  void read_section(const std::string& section, const toml::node& node);
  void read_key(const std::string& section, const std::string& name, const toml::node& node, const toml::table& table);
  void read_environment();
  void read_secret(const Key& key, const std::string& file, const std::string& where);
  void look_for_unknown_variables();
  void resolve_paths();
  /// Reads a provider's secret from its file.
  void finish_provider(const std::string& name, OidcProvider& provider);
  void complain_of_section(const std::string& section, const std::string& where);
  void complain_of_key(const std::string& section, const std::string& name, const std::string& where);

  const Key* find(std::string_view section, std::string_view name) const;
  /// The secret that `name` is the file of ("token_file").
  const Key* find_secret(std::string_view section, std::string_view name) const;
  std::string at(const toml::node& node) const { return fmt::format("{}:{}", path_, node.source().begin.line); }
  void note(const std::string& where, const std::string& problem) { problems_.push_back(where + ": " + problem); }

  std::string path_;
  fs::path folder_;
  const Environment& environment_;
  Settings settings_;
  std::vector<Key> keys_;  ///< bound to settings_
  std::vector<std::string> problems_;
};

Result<Settings> Loading::run() {
  if (auto read = read_file(); !read) return fail(read.error());
  read_environment();
  resolve_paths();
  if (!problems_.empty()) return fail(describe(problems_));
  if (auto fitting = check(settings_); !fitting) return fail(fitting.error());
  return std::move(settings_);
}

Result<> Loading::read_file() {
  std::error_code failure;
  if (path_.empty() || !fs::exists(path_, failure)) return {};
  std::ifstream file(path_, std::ios::binary);
  std::ostringstream text;
  // An empty file is no failure, but streaming nothing sets the fail bit.
  if (!file || fs::is_directory(path_, failure) || (file.peek() != EOF && !(text << file.rdbuf()))) {
    return fail(Code::kInvalid, "config-unreadable", "The configuration cannot be read: " + path_);
  }
  try {
    const toml::table root = toml::parse(text.str());
    for (const auto& [name, node] : root) read_section(std::string(name.str()), node);
  } catch (const toml::parse_error& error) {
    note(fmt::format("{}:{}", path_, error.source().begin.line), std::string(error.description()));
  }
  return {};
}

void Loading::read_section(const std::string& section, const toml::node& node) {
  const toml::table* table = node.as_table();
  if (prose_of_section(section).empty()) {
    complain_of_section(section, at(node));
    return;
  }
  if (table == nullptr) {
    note(at(node), fmt::format("{} is a section: write [{}] and its keys below it.", section, section));
    return;
  }
  for (const auto& [name, value] : *table) read_key(section, std::string(name.str()), value, *table);
}

void Loading::read_key(const std::string& section, const std::string& name, const toml::node& node,
                       const toml::table& table) {
  if (const Key* key = find(section, name)) {
    if (auto problem = assign(*key, raw_of(node))) note(at(node), *problem);
    return;
  }
  const Key* secret = find_secret(section, name);
  if (secret == nullptr) {
    complain_of_key(section, name, at(node));
    return;
  }
  const auto file = node.value_exact<std::string>();
  if (!file) {
    note(at(node), fmt::format("{}.{} takes a path.", section, name));
  } else if (table.contains(secret->name)) {
    note(at(node), fmt::format("{} and {}.{} are both given; keep one.", secret->dotted(), section, name));
  } else {
    read_secret(*secret, *file, at(node));
  }
}

void Loading::read_secret(const Key& key, const std::string& file, const std::string& where) {
  const auto secret = read_secret_file(folder_ / file);
  if (!secret) {
    note(where, fmt::format("The file of {} cannot be read: {}", key.dotted(), file));
  } else if (auto problem = assign(key, *secret)) {
    note(where, *problem);
  }
}

void Loading::read_environment() {
  for (const Key& key : keys_) {
    const std::string variable = key.variable();
    const auto value = environment_.find(variable);
    const auto file = key.secret() ? environment_.find(variable + "_FILE") : environment_.end();
    if (value != environment_.end() && file != environment_.end()) {
      note(variable, fmt::format("{} and {}_FILE are both set; keep one.", variable, variable));
    } else if (value != environment_.end()) {
      if (auto problem = assign(key, from_variable(key, value->second))) note(variable, *problem);
    } else if (file != environment_.end()) {
      read_secret(key, file->second, variable + "_FILE");
    }
  }
  look_for_unknown_variables();
}

/// A variable of one of our sections that is no key is a mistake; others (TILTYARD_URL, ...) are not ours to judge.
void Loading::look_for_unknown_variables() {
  std::vector<std::string> known;
  std::set<std::string> prefixes;
  for (const Key& key : keys_) {
    known.push_back(key.variable());
    if (key.secret()) known.push_back(key.variable() + "_FILE");
    prefixes.insert(known.back().substr(0, std::string("TILTYARD_").size() + key.section.size() + 1));
  }
  for (const auto& [name, value] : environment_) {
    const bool ours =
        std::ranges::any_of(prefixes, [&](const std::string& prefix) { return name.starts_with(prefix); });
    if (!ours || std::ranges::find(known, name) != known.end()) continue;
    const auto guess = nearest(name, known);
    note(name, "There is no such setting." + (guess ? " Did you mean " + *guess + "?" : std::string()));
  }
}

/// Paths in the file, in variables and among the defaults all start from the file's folder.
void Loading::resolve_paths() {
  constexpr std::string_view kScheme = "sqlite:";
  const auto resolve = [&](const std::string& path) { return (folder_ / path).lexically_normal().string(); };
  for (const Key& key : keys_) {
    if (const auto* oidc = std::get_if<Oidc>(&key.target)) {
      for (auto& [name, provider] : *oidc->value) finish_provider(name, provider);
    }
    const auto* text = std::get_if<Text>(&key.target);
    if (text == nullptr || text->value->empty()) continue;
    std::string& value = *text->value;
    if (text->form == Text::Form::kPath) value = resolve(value);
    if (text->form == Text::Form::kLogFile && value != "stderr") value = resolve(value);
    if (text->form == Text::Form::kStoreUrl && value.starts_with(kScheme))
      value = std::string(kScheme) + resolve(value.substr(kScheme.size()));
  }
}

void Loading::finish_provider(const std::string& name, OidcProvider& provider) {
  if (!provider.tls_ca.empty()) provider.tls_ca = (folder_ / provider.tls_ca).lexically_normal().string();
  if (provider.client_secret_file.empty()) return;
  auto secret = read_secret_file(folder_ / provider.client_secret_file);
  if (secret) provider.client_secret = Secret(std::move(*secret));
  else
    note("auth.oidc." + name, fmt::format("The file of client_secret cannot be read: {}", provider.client_secret_file));
}

void Loading::complain_of_section(const std::string& section, const std::string& where) {
  std::vector<std::string> sections;
  for (const Key& key : keys_) {
    if (key.name == section) {
      note(where, fmt::format("\"{}\" stands outside of any section. Did you mean {}?", section, key.dotted()));
      return;
    }
    sections.emplace_back(key.section);
  }
  const auto guess = nearest(section, sections);
  note(where, fmt::format("There is no section \"{}\".{}", section, guess ? " Did you mean [" + *guess + "]?" : ""));
}

void Loading::complain_of_key(const std::string& section, const std::string& name, const std::string& where) {
  std::vector<std::string> here;
  std::string guess;
  for (const Key& key : keys_) {
    if (key.section == section) here.emplace_back(key.name);
    if (key.name == name && guess.empty()) guess = key.dotted();  // right key, wrong section
  }
  if (const auto close = nearest(name, here)) guess = section + "." + *close;
  const std::string hint = guess.empty() ? "" : " Did you mean " + guess + "?";
  note(where, fmt::format("There is no key {}.{}.{}", section, name, hint));
}

const Key* Loading::find(std::string_view section, std::string_view name) const {
  for (const Key& key : keys_) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

const Key* Loading::find_secret(std::string_view section, std::string_view name) const {
  constexpr std::string_view kEnding = "_file";
  if (!name.ends_with(kEnding)) return nullptr;
  const Key* key = find(section, name.substr(0, name.size() - kEnding.size()));
  return key != nullptr && key->secret() ? key : nullptr;
}

/// Collects what does not fit together.
class Fitting {
 public:
  explicit Fitting(const Settings& settings) : s_(settings) {}

  std::vector<std::string> problems() {
    files_in_pairs();
    listeners_apart();
    limits_in_order();
    people_can_come_in();
    return std::move(problems_);
  }

 private:
  void expect(bool good, std::string problem) {
    if (!good) problems_.push_back(std::move(problem));
  }

  void files_in_pairs() {
    expect(s_.server.tls_certificate.empty() == s_.server.tls_key.empty(),
           "server.tls_certificate and server.tls_key belong together: give both or neither.");
    expect(s_.engine.tls_certificate.empty() == s_.engine.tls_key.empty(),
           "engine.tls_certificate and engine.tls_key belong together: give both or neither.");
  }

  void listeners_apart() {
    const auto page = parse_address(s_.server.listen);
    const auto gateway = parse_address(s_.gateway.listen);
    expect(!gateway || gateway->second == 0 || page != gateway,
           "server.listen and gateway.listen are the same: the page and players' machines must not share an origin.");
    for (const auto& [key, address] : {std::pair{"server.listen", page}, std::pair{"gateway.listen", gateway}}) {
      const bool inside =
          address && address->second >= s_.gateway.ports.first && address->second <= s_.gateway.ports.last;
      expect(!inside, fmt::format("{} lies inside of gateway.ports.", key));
    }
    expect(!s_.gateway.domain.empty(), "gateway.domain is empty.");
    expect(is_ip(s_.gateway.tcp_address), "gateway.tcp_address is not an address of this host.");
  }

  void limits_in_order() {
    expect(s_.limits.memory <= s_.limits.max_memory, "limits.memory is above limits.max_memory.");
    expect(s_.limits.cpus <= s_.limits.max_cpus, "limits.cpus is above limits.max_cpus.");
    expect(s_.limits.pids <= s_.limits.max_pids, "limits.pids is above limits.max_pids.");
  }

  void people_can_come_in() {
    expect(!s_.auth.strategies.empty(), "auth.strategies is empty: nobody could sign in.");
    std::set<std::string> seen;
    for (const std::string& strategy : s_.auth.strategies) {
      expect(seen.insert(strategy).second, fmt::format("auth.strategies names \"{}\" twice.", strategy));
    }
    const bool by_address = seen.contains("address");
    expect(by_address || s_.auth.hall.empty(), "auth.hall is given, but auth.strategies does not have \"address\".");
    expect(seen.contains("ctfd") == !s_.auth.ctfd_url.empty(),
           "auth.ctfd_url and \"ctfd\" in auth.strategies belong together: give both or neither.");
    expect(seen.contains("oidc") == !s_.auth.oidc.empty(),
           "A provider in [auth.oidc.NAME] and \"oidc\" in auth.strategies belong together: give both or neither.");
  }

  const Settings& s_;
  std::vector<std::string> problems_;
};

}  // namespace

Environment process_environment() {
  Environment ours;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (!text.starts_with("TILTYARD_") || equals == std::string_view::npos) continue;
    ours.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return ours;
}

Result<Settings> load(const std::string& path, const Environment& environment) {
  return Loading(path, environment).run();
}

Result<> check(const Settings& settings) {
  const std::vector<std::string> problems = Fitting(settings).problems();
  if (problems.empty()) return {};
  return fail(describe(problems));
}

std::vector<Change> changes(const Settings& before, const Settings& after) {
  Settings old_settings = before;
  Settings new_settings = after;
  const std::vector<Key> old_keys = keys_of(old_settings);
  const std::vector<Key> new_keys = keys_of(new_settings);
  std::vector<Change> changed;
  for (std::size_t i = 0; i < old_keys.size(); ++i) {
    const auto* old_secret = std::get_if<SecretText>(&old_keys[i].target);
    const auto* new_secret = std::get_if<SecretText>(&new_keys[i].target);
    // The printed form of a secret tells nothing; it has a comparison of its own.
    const auto* old_oidc = std::get_if<Oidc>(&old_keys[i].target);
    const auto* new_oidc = std::get_if<Oidc>(&new_keys[i].target);
    const bool same = old_oidc != nullptr     ? same_oidc(*old_oidc->value, *new_oidc->value)
                      : old_secret != nullptr ? old_secret->value->equals(new_secret->value->reveal())
                                              : value_text(old_keys[i]) == value_text(new_keys[i]);
    if (!same) changed.push_back({old_keys[i].dotted(), old_keys[i].apply == Apply::kLive});
  }
  return changed;
}

}  // namespace tiltyard::config
