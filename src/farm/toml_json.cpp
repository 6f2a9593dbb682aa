// The configuration as it may be shown: secrets blanked in the text and in JSON, and put back when an editor returns
// it.
#include "farm/toml_json.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <sstream>
#include <vector>

#include "base/text.h"
#include "farm/config.h"

namespace tiltyard::farm {
namespace {

namespace json = boost::json;

json::value value_of(const toml::node& node, Secrets secrets, bool secret) {
  if (secret && secrets == Secrets::kBlank && !node.is_table() && !node.is_array()) return json::string(kBlank);
  if (const auto* table = node.as_table()) {
    json::object out;
    for (const auto& [key, value] : *table)
      out[std::string_view(key.str())] = value_of(value, secrets, secret || is_secret(key.str()));
    return out;
  }
  if (const auto* array = node.as_array()) {
    json::array out;
    for (const auto& value : *array) out.push_back(value_of(value, secrets, secret));
    return out;
  }
  if (node.is_string()) return json::value_from(*node.value<std::string>());
  if (node.is_boolean()) return *node.value<bool>();
  if (node.is_integer()) return *node.value<std::int64_t>();
  if (node.is_floating_point()) return *node.value<double>();
  std::ostringstream text;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_date<decltype(value)> || toml::is_time<decltype(value)> ||
                  toml::is_date_time<decltype(value)>)
      text << *value;
  });
  return json::value_from(text.str());
}

/// A secret key with its value on the same line: what goes before the value, and the value with its quotes.
const re2::RE2& secret_line() {
  static const re2::RE2 pattern(
      R"re(((?i:[A-Za-z0-9_-]*(?:token|password|secret)[A-Za-z0-9_-]*)["']?[ \t]*=[ \t]*)("(?:[^"\\\n]|\\.)*"|'[^'\n]*'))re");
  return pattern;
}

struct Found {
  std::size_t at = 0, size = 0;  ///< of the value with its quotes
};

std::vector<Found> secret_values(std::string_view text) {
  std::vector<Found> out;
  const re2::StringPiece all(text.data(), text.size());
  re2::StringPiece parts[3];
  std::size_t from = 0;
  while (secret_line().Match(all, from, text.size(), re2::RE2::UNANCHORED, parts, 3)) {
    out.push_back({static_cast<std::size_t>(parts[2].data() - text.data()), parts[2].size()});
    from = out.back().at + out.back().size;
  }
  return out;
}

std::string replaced(std::string_view text, const std::function<std::string(const Found&)>& by) {
  std::string out;
  std::size_t from = 0;
  for (const auto& found : secret_values(text)) {
    out += text.substr(from, found.at - from);
    out += by(found);
    from = found.at + found.size;
  }
  out += text.substr(from);
  return out;
}

using Visit = std::function<void(const std::string& path, const toml::node& node)>;

/// Every secret value of a tree, with its path.
void each_secret(const toml::node& node, const std::string& path, bool secret, const Visit& visit) {
  if (const auto* table = node.as_table()) {
    for (const auto& [key, value] : *table)
      each_secret(value, path + "/" + std::string(key.str()), secret || is_secret(key.str()), visit);
  } else if (const auto* array = node.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i)
      each_secret(*array->get(i), path + "/" + std::to_string(i), secret, visit);
  } else if (secret) {
    visit(path, node);
  }
}

std::string quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    else out += c;
  }
  return out + '"';
}

}  // namespace

bool is_secret(std::string_view key) {
  const auto name = lower(key);
  for (const std::string_view word : {"token", "password", "secret"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string to_json(const toml::table& table, Secrets secrets) {
  return json::serialize(value_of(table, secrets, false));
}

std::string blank_secrets(std::string_view text) {
  return replaced(text, [](const Found&) { return quotes(kBlank); });
}

Result<> check_secrets(std::string_view text, const toml::table& table) {
  toml::table blanked;
  std::optional<Error> wrong;
  try {
    blanked = toml::parse(blank_secrets(text));
  } catch (const toml::parse_error& error) {
    // The text itself is good TOML: a secret that is written over several lines.
    wrong = Error{
        Code::kInvalid,
        reason::kConfigInvalid,
        "A token or password must be a text on the line of its key, so that it can be blanked.",
        {},
        {}}.with("line", std::to_string(error.source().begin.line));
  }
  each_secret(blanked, "", false, [&](const std::string& path, const toml::node& node) {
    if (wrong || node.value<std::string>() == std::string(kBlank)) return;
    wrong = Error{
        Code::kInvalid,
        reason::kConfigInvalid,
        fmt::format("'{}' must be a text on the line of its key, so that it can be blanked.", path.substr(1)),
        {},
        {}}.with("line", std::to_string(node.source().begin.line));
  });
  if (wrong) return fail(std::move(*wrong));
  return {};
}

namespace {

/// scheme://host:port of a URL; another path at the same place is the same target.
std::string place_of(std::string_view url) {
  const auto host = url.find("://");
  return std::string(url.substr(0, url.find_first_of("/?#", host == std::string_view::npos ? 0 : host + 3)));
}

/// What decides where a section's secrets go, as text. Of [jury] that is everything but its pace: what the keys of a
/// protocol of one's own mean is known to its senders alone.
std::map<std::string, std::string> targets_of(const toml::table& section, bool jury) {
  static constexpr std::array<std::string_view, 4> kPace = {"batch", "calls_per_second", "flags_per_second", "timeout"};
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : section) {
    const std::string_view name = key.str();
    if (is_secret(name) || (jury && std::ranges::find(kPace, name) != kPace.end())) continue;
    if (jury) out.emplace(name, json::serialize(value_of(value, Secrets::kBlank, false)));
    else if (name.ends_with("url")) out.emplace(name, place_of(value.value_or(std::string_view())));
  }
  return out;
}

}  // namespace

Result<> check_targets(std::string_view text, std::string_view before) {
  toml::table wanted, old;
  try {
    wanted = toml::parse(text);
    old = toml::parse(before);
  } catch (const toml::parse_error&) {
    return {};  // whoever reads it next says what is wrong
  }
  for (const std::string section : {"jury", "attack_data"}) {
    const auto* now = wanted[section].as_table();
    if (now == nullptr) continue;
    std::optional<std::pair<std::string, std::uint32_t>> blank;
    each_secret(*now, section, false, [&](const std::string& path, const toml::node& node) {
      if (!blank && node.value_or(std::string()) == kBlank) blank = {path, node.source().begin.line};
    });
    const auto* was = old[section].as_table();
    if (!blank || (was != nullptr && targets_of(*now, section == "jury") == targets_of(*was, section == "jury")))
      continue;
    std::ranges::replace(blank->first, '/', '.');
    return fail(Error{
        Code::kInvalid,
        reason::kConfigInvalid,
        fmt::format("[{}] leads somewhere else than before, so '{}' must be given once more: a secret does "
                    "not go to a place that was not given with it.",
                    section, blank->first),
        {},
        {}}.with("line", std::to_string(blank->second)));
  }
  return {};
}

std::string fill_blanks(std::string_view text, std::string_view before) {
  std::map<std::string, std::string> known;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> paths;  // by line and column of the value
  try {
    each_secret(toml::parse(before), "", false,
                [&](const std::string& path, const toml::node& node) { known[path] = node.value_or(std::string()); });
    each_secret(toml::parse(text), "", false, [&](const std::string& path, const toml::node& node) {
      if (node.value_or(std::string()) == kBlank) paths[{node.source().begin.line, node.source().begin.column}] = path;
    });
  } catch (const toml::parse_error&) {
    return std::string(text);  // whoever reads it next says what is wrong
  }
  return replaced(text, [&](const Found& found) {
    const auto head = text.substr(0, found.at);
    const auto line = static_cast<std::uint32_t>(std::ranges::count(head, '\n') + 1);
    const auto line_start = head.rfind('\n') == std::string_view::npos ? 0 : head.rfind('\n') + 1;
    // The parser counts characters, not bytes.
    const auto column = static_cast<std::uint32_t>(
        std::ranges::count_if(head.substr(line_start),
                              [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }) +
        1);
    const auto path = paths.find({line, column});
    const auto value = path == paths.end() ? known.end() : known.find(path->second);
    return value == known.end() ? std::string(text.substr(found.at, found.size)) : quotes(value->second);
  });
}

}  // namespace tiltyard::farm
