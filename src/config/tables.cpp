// Tables of tables, [section.key.NAME]: the keys whose values have keys of their own.
#include <fmt/format.h>

#include <algorithm>

#include "config/files.h"
#include "config/keys.h"

namespace tiltyard::config {
namespace {

constexpr std::string_view kFileEnding = "_file";

/// A secret that stands in a file, until the folder is known.
struct InFile {
  std::string table, key, path;
};

bool is_table_name(const std::string& name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, fits);
}

const Key* find(const std::vector<Key>& keys, std::string_view name) {
  const auto found = std::ranges::find(keys, name, &Key::name);
  return found == keys.end() ? nullptr : &*found;
}

/// The secret that `name` is the file of.
const Key* find_secret(const std::vector<Key>& keys, std::string_view name) {
  if (!name.ends_with(kFileEnding)) return nullptr;
  const auto* key = find(keys, name.substr(0, name.size() - kFileEnding.size()));
  return key != nullptr && key->value.secret ? key : nullptr;
}

Problem unknown(const std::vector<Key>& keys, const std::string& path, const std::string& name) {
  std::vector<std::string> known;
  known.reserve(keys.size());
  for (const auto& key : keys) known.push_back(key.name);
  return fmt::format("There is no key {}.{}.{}", path, name, did_you_mean(name, known));
}

/// Fills in one table; what is wrong with it, or nothing.
Problem fill(const std::vector<Key>& keys, const std::string& path, const std::string& table, const RawTable& members,
             std::vector<InFile>& files) {
  for (const auto& [name, raw] : members) {
    if (const auto* key = find(keys, name)) {
      if (auto problem = assign(*key, raw)) return problem;
      continue;
    }
    const auto* secret = find_secret(keys, name);
    if (secret == nullptr) return unknown(keys, path, name);
    const auto* file = std::get_if<std::string>(&raw);
    if (file == nullptr) return fmt::format("{}.{} takes a path.", path, name);
    if (members.contains(secret->name))
      return fmt::format("{} and {}.{} are both given; keep one.", secret->dotted(), path, name);
    files.push_back({table, secret->name, *file});
  }
  return std::nullopt;
}

/// "main.issuer=https://id.example;main.client_id=range"
Raw table_from_variable(const std::vector<Key>& keys, const std::string& text) {
  RawTable tables;
  for (const auto& entry : split(text, ';')) {
    const auto equals = entry.find('=');
    const auto dot = entry.find('.');
    if (equals == std::string::npos || dot == std::string::npos || dot > equals) return text;
    const auto name = entry.substr(dot + 1, equals - dot - 1);
    const auto* key = find(keys, name);
    auto& table = tables[entry.substr(0, dot)];
    if (!std::holds_alternative<RawTable>(table)) table = RawTable();
    const auto value = entry.substr(equals + 1);
    std::get<RawTable>(table)[name] = key != nullptr ? from_variable(*key, value) : Raw(value);
  }
  return tables;
}

/// What differs from the defaults, as TOML.
std::string table_text(const std::vector<Key>& keys, const std::vector<Key>& defaults) {
  std::string out;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto text = keys[i].value.shown();
    if (text != defaults[i].value.shown()) out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", keys[i].name, text);
  }
  return "{ " + out + " }";
}

}  // namespace

Section& Section::tables(std::string_view name, Tables all, std::string_view prose) {
  const auto path = below(name);
  auto files = std::make_shared<std::vector<InFile>>();
  Value kept;
  kept.takes = fmt::format("a table for each name: [{}.NAME]", path);
  kept.put = [all, path, files](const Raw& raw) -> Problem {
    const auto* tables = std::get_if<RawTable>(&raw);
    if (tables == nullptr) return std::string();
    all.clear();
    files->clear();
    for (const auto& [one, members] : *tables) {
      const auto* table = std::get_if<RawTable>(&members);
      if (table == nullptr)
        return fmt::format("{0}.{1} is a section: write [{0}.{1}] and its keys below it.", path, one);
      if (!is_table_name(one)) return fmt::format("The name \"{}\" in {} is not 1 to 32 of a-z, 0-9 and -.", one, path);
      if (auto problem = fill(all.make(one), fmt::format("{}.{}", path, one), one, *table, *files)) return problem;
    }
    return std::nullopt;
  };
  kept.shown = [all] {
    std::string out;
    for (const auto& one : all.names())
      out += fmt::format("{}{} = {}", out.empty() ? " " : ", ", one, table_text(all.keys_of(one), all.sample()));
    return out.empty() ? std::string("{}") : "{" + out + " }";
  };
  kept.from_variable = [all](const std::string& text) { return table_from_variable(all.sample(), text); };
  kept.settle = [all, files](const std::filesystem::path& folder, Problems& problems) {
    for (const auto& file : *files) {
      const auto keys = all.keys_of(file.table);
      const auto& key = *find(keys, file.key);
      const auto secret = read_secret_file(folder / file.path);
      if (!secret) problems.add(fmt::format("The file of {} cannot be read: {}", key.dotted(), file.path));
      else if (auto problem = assign(key, *secret)) problems.add(*problem);
    }
    for (const auto& one : all.names()) {
      for (const auto& key : all.keys_of(one)) {
        if (key.value.settle) key.value.settle(folder, problems);
      }
      if (all.settle) all.settle(one, problems);
    }
  };
  own(name, std::move(kept), prose);
  keys_.back().members = all.sample();
  return *this;
}

}  // namespace tiltyard::config
