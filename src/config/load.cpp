// From the file and the environment into the fields that the keys are bound to.
#include <fmt/core.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/text.h"
#include "config/files.h"
#include "config/keys.h"

namespace tiltyard::config {

namespace fs = std::filesystem;

/// The text of a secret's file without the line break at its end, or nothing when it cannot be read.
std::optional<std::string> read_secret_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  std::string secret = text.str();
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  return secret;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates, std::string_view before,
                         std::string_view after) {
  const std::vector<std::string_view> known(candidates.begin(), candidates.end());
  const auto near = nearest(word, known);
  return near.empty() ? std::string() : fmt::format(" Did you mean {}{}{}?", before, near, after);
}

namespace {

bool all_texts(const toml::array& array) {
  return std::ranges::all_of(array, [](const toml::node& node) { return node.is_string(); });
}

Raw raw_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  if (const toml::array* array = node.as_array()) {
    if (!all_texts(*array)) return Unfit{"a list with something else than texts"};
    std::vector<std::string> items;
    for (const toml::node& item : *array) items.push_back(*item.value_exact<std::string>());
    return items;
  }
  if (const toml::table* table = node.as_table()) {
    RawTable members;
    for (const auto& [name, member] : *table) members.emplace(std::string(name.str()), raw_of(member));
    return members;
  }
  return Unfit{"a date or a time"};
}

Error describe(const std::vector<std::string>& problems) {
  Error error{Code::kInvalid, "config-invalid", "", "", {}};
  for (const std::string& problem : problems) {
    error.message += (error.message.empty() ? "" : "\n") + problem;
    error.with("problem", problem);
  }
  return error;
}

/// One run of `read`: the keys and everything that is wrong.
class Loading {
 public:
  Loading(const Keys& keys, const std::string& path, const Environment& environment)
      : keys_(keys),
        path_(path),
        folder_(path.empty() ? fs::current_path() : fs::absolute(path).parent_path()),
        environment_(environment) {}

  Result<> run();

 private:
  Result<> read_file();
  void read_section(const std::string& section, const toml::node& node);
  void read_key(const std::string& section, const std::string& name, const toml::node& node, const toml::table& table);
  void read_environment();
  void read_secret(const Key& key, const std::string& file, const std::string& where);
  void look_for_unknown_variables();
  void settle();
  void complain_of_section(const std::string& section, const std::string& where);
  void complain_of_key(const std::string& section, const std::string& name, const std::string& where);

  bool known_section(std::string_view section) const;
  const Key* find(std::string_view section, std::string_view name) const;
  /// The secret that `name` is the file of ("token_file").
  const Key* find_secret(std::string_view section, std::string_view name) const;
  std::string at(const toml::node& node) const { return fmt::format("{}:{}", path_, node.source().begin.line); }
  void note(const std::string& where, const std::string& problem) { problems_.push_back(where + ": " + problem); }

  const Keys& keys_;
  std::string path_;
  fs::path folder_;
  const Environment& environment_;
  std::vector<std::string> problems_;
};

Result<> Loading::run() {
  if (auto read = read_file(); !read) return read;
  read_environment();
  settle();
  if (!problems_.empty()) return fail(describe(problems_));
  return {};
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
  if (!known_section(section)) {
    complain_of_section(section, at(node));
    return;
  }
  if (table == nullptr) {
    note(at(node), fmt::format("{} is a section: write [{}] and its keys below it.", section, section));
    return;
  }
  if (const Key* whole = find(section, "")) {
    if (auto problem = assign(*whole, raw_of(node))) note(at(node), *problem);
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
  for (const Key& key : keys_.all()) {
    const std::string variable = key.variable();
    const auto value = environment_.find(variable);
    const auto file = key.value.secret ? environment_.find(variable + "_FILE") : environment_.end();
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
  for (const Key& key : keys_.all()) {
    known.push_back(key.variable());
    if (key.value.secret) known.push_back(key.variable() + "_FILE");
    prefixes.insert(known.back().substr(0, std::string("TILTYARD_").size() + key.section.size() + 1));
  }
  for (const auto& [name, value] : environment_) {
    const bool ours =
        std::ranges::any_of(prefixes, [&](const std::string& prefix) { return name.starts_with(prefix); });
    if (!ours || std::ranges::find(known, name) != known.end()) continue;
    note(name, "There is no such setting." + did_you_mean(name, known));
  }
}

/// Paths in the file, in variables and among the defaults all start from the file's folder.
void Loading::settle() {
  for (const Key& key : keys_.all()) {
    if (!key.value.settle) continue;
    Problems problems;
    key.value.settle(folder_, problems);
    for (const auto& problem : problems.all()) note(key.dotted(), problem);
  }
}

void Loading::complain_of_section(const std::string& section, const std::string& where) {
  std::vector<std::string> sections;
  for (const Key& key : keys_.all()) {
    if (key.name == section) {
      note(where, fmt::format("\"{}\" stands outside of any section. Did you mean {}?", section, key.dotted()));
      return;
    }
    sections.emplace_back(key.section);
  }
  note(where, fmt::format("There is no section \"{}\".{}", section, did_you_mean(section, sections, "[", "]")));
}

void Loading::complain_of_key(const std::string& section, const std::string& name, const std::string& where) {
  std::vector<std::string> here;
  std::string guess;
  for (const Key& key : keys_.all()) {
    if (key.section == section) here.emplace_back(key.name);
    if (key.name == name && guess.empty()) guess = key.dotted();  // right key, wrong section
  }
  auto hint = did_you_mean(name, here, section + ".");
  if (hint.empty() && !guess.empty()) hint = " Did you mean " + guess + "?";
  note(where, fmt::format("There is no key {}.{}.{}", section, name, hint));
}

const Key* Loading::find(std::string_view section, std::string_view name) const {
  for (const Key& key : keys_.all()) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

const Key* Loading::find_secret(std::string_view section, std::string_view name) const {
  constexpr std::string_view kEnding = "_file";
  if (!name.ends_with(kEnding)) return nullptr;
  const Key* key = find(section, name.substr(0, name.size() - kEnding.size()));
  return key != nullptr && key->value.secret ? key : nullptr;
}

bool Loading::known_section(std::string_view section) const {
  return std::ranges::find(keys_.all(), section, &Key::section) != keys_.all().end();
}

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

Result<> Keys::read(const std::string& path, const Environment& environment) {
  if (auto once = each_once(); !once) return once;
  if (auto loaded = Loading(*this, path, environment).run(); !loaded) return loaded;
  Problems problems;
  for (const auto& look : looks_) look(problems);
  if (!problems.all().empty()) return fail(describe(problems.all()));
  return {};
}

}  // namespace tiltyard::config
