#include <fmt/core.h>

#include <algorithm>

#include "config/keys.h"

namespace tiltyard::config {
namespace {

/// Breaks prose into comment lines of at most 110 characters.
std::string comment(std::string_view prose) {
  constexpr std::size_t kWidth = 110;
  std::string out;
  while (!prose.empty()) {
    std::size_t end = prose.size();
    if (end > kWidth) end = prose.rfind(' ', kWidth);
    if (end == std::string_view::npos || end == 0) end = prose.size();
    out += fmt::format("# {}\n", prose.substr(0, end));
    prose.remove_prefix(std::min(end + 1, prose.size()));
  }
  return out;
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string title(std::string_view section) { return fmt::format("[{}]", section); }

constexpr std::string_view kTableHead = "| key | default | takes | meaning |\n|---|---|---|---|\n";

std::string row(const Key& key) {
  return fmt::format("| `{}` | `{}` | {} | {} |\n", key.name, cell(key.value.shown()), cell(key.value.takes),
                     cell(key.prose));
}

/// The names of the keys in one of a table's tables.
std::string member_names(const Key& key) {
  std::string out;
  for (const auto& member : key.members) out += (out.empty() ? "" : ", ") + member.name;
  return out;
}

/// The sections in the order in which they were begun, each with all of its keys.
std::vector<std::pair<std::string, std::vector<const Key*>>> by_section(const std::vector<Key>& keys) {
  std::vector<std::pair<std::string, std::vector<const Key*>>> out;
  for (const Key& key : keys) {
    auto found = std::ranges::find(out, key.section, [](const auto& one) { return one.first; });
    if (found == out.end()) found = out.insert(out.end(), {key.section, {}});
    found->second.push_back(&key);
  }
  return out;
}

}  // namespace

std::string Keys::example_toml() const {
  std::string out =
      "# Tiltyard's settings with their defaults. A key can also be set by the variable TILTYARD_SECTION_KEY.\n";
  for (const auto& [section, keys] : by_section(keys_)) {
    out += fmt::format("\n# {}\n{}\n", prose_of(section), title(section));
    for (const Key* key : keys) {
      out += '\n' + comment(key->prose);
      out += fmt::format("# It takes {}.\n", key->value.takes);
      if (!key->members.empty()) out += comment("The keys of each: " + member_names(*key) + ".");
      if (key->value.secret) out += fmt::format("# {}_file names a file to read it from instead.\n", key->name);
      if (!key->name.empty()) out += fmt::format("#{} = {}\n", key->name, key->value.shown());
    }
  }
  return out;
}

std::string Keys::markdown() const {
  std::string out =
      "# Configuration\n\n"
      "One TOML file, `tiltyard.toml`, and every key can be overridden by an environment variable: `labs.queue_limit` "
      "by\n"
      "`TILTYARD_LABS_QUEUE_LIMIT`. Lists in variables are separated by commas. Relative paths start from the file's "
      "folder.\n"
      "An unknown key, a wrong type or a value out of its range is an error with file and line. A secret can be read "
      "from a\n"
      "file: give `token_file` instead of `token`, or `TILTYARD_ADMIN_TOKEN_FILE`. Secrets are never printed.\n\n"
      "What is changed takes effect at the next start. `tiltyard config example` prints a file to begin with, "
      "`tiltyard "
      "config\n"
      "check` looks whether yours is right. This page is made from what the parts of the server declare.\n";
  for (const auto& [section, keys] : by_section(keys_)) {
    out += fmt::format("\n## {}\n\n{}\n\n{}", title(section), prose_of(section), kTableHead);
    for (const Key* key : keys) out += row(*key);
    for (const Key* key : keys) {
      if (key->members.empty()) continue;
      out += fmt::format("\n### {}\n\n{}", title(key->dotted() + ".NAME"), kTableHead);
      for (const Key& member : key->members) out += row(member);
    }
  }
  return out;
}

}  // namespace tiltyard::config
