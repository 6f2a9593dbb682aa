#include <fmt/core.h>

#include <algorithm>

#include "config/keys.h"
#include "config/settings.h"

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

std::string_view effect(const Key& key) { return key.apply == Apply::kLive ? "at once" : "at the next start"; }

std::string title(std::string_view section) { return fmt::format("[{}]", section); }

}  // namespace

std::string example_toml() {
  Settings defaults;
  std::string out =
      "# Tiltyard's settings with their defaults. A key can also be set by the variable TILTYARD_SECTION_KEY.\n";
  std::string_view section;
  for (const Key& key : keys_of(defaults)) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("\n# {}\n{}\n", prose_of_section(section), title(section));
    }
    out += '\n' + comment(key.prose);
    out += fmt::format("# It takes {}.\n", range_text(key));
    if (key.secret()) out += fmt::format("# {}_file names a file to read it from instead.\n", key.name);
    out += fmt::format("#{} = {}\n", key.name, value_text(key));
  }
  return out;
}

std::string markdown() {
  Settings defaults;
  std::string out =
      "# Configuration\n\n"
      "One TOML file, `tiltyard.toml`, and every key can be overridden by an environment variable: `labs.queue_limit` "
      "by\n"
      "`TILTYARD_LABS_QUEUE_LIMIT`. Lists in variables are separated by commas. Relative paths start from the file's "
      "folder.\n"
      "An unknown key, a wrong type or a value out of its range is an error with file and line. A secret can be read "
      "from a\n"
      "file: give `token_file` instead of `token`, or `TILTYARD_ADMIN_TOKEN_FILE`. Secrets are never printed.\n\n"
      "`tiltyard config schema` prints a file to begin with, `tiltyard config check` looks whether yours is right.\n"
      "This page is made from the same declarations (`src/config/keys.cpp`).\n";
  std::string_view section;
  for (const Key& key : keys_of(defaults)) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("\n## {}\n\n{}\n\n| key | default | takes | effect | meaning |\n|---|---|---|---|---|\n",
                         title(section), prose_of_section(section));
    }
    out += fmt::format("| `{}` | `{}` | {} | {} | {} |\n", key.name, cell(value_text(key)), cell(range_text(key)),
                       effect(key), cell(std::string(key.prose)));
  }
  return out;
}

}  // namespace tiltyard::config
