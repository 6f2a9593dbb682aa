// challenge.toml: its reader. See docs/challenge.md.
#include "imports/challenge.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace tiltyard::imports {
namespace {

using templates::Problem;

constexpr std::array<std::string_view, 9> kFunctions{"linear", "logarithmic", "exponential", "classic", "steep",
                                                     "sekai",  "genni",       "jammy",       "legacy"};
constexpr std::size_t kMostOf = 200;  ///< flags, hints, files
constexpr std::int64_t kMostPoints = 1'000'000;

/// One table of the file; what nobody asked for is reported at the end.
class TomlKeys {
 public:
  TomlKeys(const toml::table& table, std::string prefix, std::vector<Problem>& problems)
      : table_(table), prefix_(std::move(prefix)), problems_(problems) {}

  const toml::node* take(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
  }
  int line() const { return static_cast<int>(table_.source().begin.line); }

  void wrong(const toml::node& node, std::string_view key, std::string_view wanted) {
    error(static_cast<int>(node.source().begin.line), fmt::format("{}{} takes {}", prefix_, key, wanted));
  }
  void error(int line, std::string message) {
    problems_.push_back({Problem::Severity::kError, kChallengeFile, line, std::move(message)});
  }

  bool text(std::string_view key, std::string& out, std::size_t most = 200) {
    const auto* node = take(key);
    if (!node) return false;
    const auto value = node->value_exact<std::string>();
    if (!value || value->size() > most)
      return wrong(*node, key, fmt::format("a text of at most {} bytes", most)), false;
    out = *value;
    return true;
  }
  void word(std::string_view key, std::string& out, std::span<const std::string_view> words) {
    std::string said;
    if (!text(key, said)) return;
    if (std::ranges::find(words, said) != words.end()) {
      out = said;
      return;
    }
    const auto near = nearest(said, words);
    error(static_cast<int>(table_.get(key)->source().begin.line),
          fmt::format("{}{} is one of {}{}", prefix_, key, fmt::join(words, ", "),
                      near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
  }
  void flag(std::string_view key, bool& out) {
    const auto* node = take(key);
    if (!node) return;
    if (const auto value = node->value_exact<bool>()) out = *value;
    else wrong(*node, key, "true or false");
  }
  bool whole(std::string_view key, std::int64_t& out, std::int64_t least, std::int64_t most) {
    const auto* node = take(key);
    if (!node) return false;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most)
      return wrong(*node, key, fmt::format("a whole number from {} to {}", least, most)), false;
    out = *value;
    return true;
  }
  void texts(std::string_view key, std::vector<std::string>& out, std::size_t most = 200) {
    const auto* node = take(key);
    if (!node) return;
    const auto* list = node->as_array();
    const bool good = list && list->size() <= kMostOf && std::ranges::all_of(*list, [&](const toml::node& item) {
                        const auto value = item.value_exact<std::string>();
                        return value && value->size() <= most;
                      });
    if (!good) return wrong(*node, key, fmt::format("a list of at most {} texts", kMostOf));
    for (const auto& item : *list) out.push_back(*item.value_exact<std::string>());
  }
  std::vector<TomlKeys> tables(std::string_view key) {
    std::vector<TomlKeys> out;
    const auto* node = take(key);
    if (!node) return out;
    const auto* list = node->as_array();
    const bool good =
        list && list->size() <= kMostOf && std::ranges::all_of(*list, [](const toml::node& n) { return n.is_table(); });
    if (!good) return wrong(*node, key, fmt::format("at most {0} tables; write [[{1}]] for each", kMostOf, key)), out;
    for (const auto& item : *list) out.emplace_back(*item.as_table(), fmt::format("{}.", key), problems_);
    return out;
  }
  std::optional<TomlKeys> table(std::string_view key) {
    const auto* node = take(key);
    if (!node) return std::nullopt;
    if (const auto* inner = node->as_table()) return TomlKeys(*inner, fmt::format("{}.", key), problems_);
    wrong(*node, key, fmt::format("a table; write [{}]", key));
    return std::nullopt;
  }

  void finish() {
    for (const auto& [key, node] : table_) {
      if (std::ranges::find(known_, key.str()) != known_.end()) continue;
      const auto near = nearest(key.str(), known_);
      error(static_cast<int>(key.source().begin.line),
            fmt::format("\"{}{}\" is no key of {}{}", prefix_, key.str().substr(0, 60), kChallengeFile,
                        near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near)));
    }
  }

 private:
  const toml::table& table_;
  std::string prefix_;
  std::vector<Problem>& problems_;
  std::vector<std::string_view> known_;
};

void read_value(TomlKeys& top, Challenge& challenge) {
  auto table = top.table("value");
  if (!table) return;
  Value value;
  std::int64_t points = 0;
  const bool fixed = table->whole("points", points, 0, kMostPoints);
  value.dynamic = table->whole("initial", value.initial, 0, kMostPoints);
  const bool minimum = table->whole("minimum", value.minimum, 0, kMostPoints);
  if (const auto* node = table->take("decay")) {
    const auto number = node->value<double>();
    if (number && *number >= 0 && *number <= 1e9) value.decay = *number;
    else table->wrong(*node, "decay", "a number from 0 on");
  }
  table->word("function", value.function, kFunctions);
  table->finish();
  if (fixed == value.dynamic) return table->error(table->line(), "value takes either points, or initial and minimum");
  if (fixed) {
    if (minimum || !value.function.empty() || value.decay != 0)
      return table->error(table->line(), "value.points never changes; for one that falls say initial instead");
    value.initial = points;
  } else if (value.minimum > value.initial) {
    return table->error(table->line(),
                        fmt::format("value.minimum is {}, more than initial, {}", value.minimum, value.initial));
  } else if (value.function.empty()) {
    value.function = "logarithmic";
  }
  challenge.value = value;
}

void read_flags(TomlKeys& top, Challenge& challenge) {
  for (auto& table : top.tables("flag")) {
    Flag flag;
    std::string pattern;
    const bool text = table.text("text", flag.content, 4000);
    flag.regex = table.text("regex", pattern, 4000);
    table.flag("ignore_case", flag.ignore_case);
    table.finish();
    if (text == flag.regex) {
      table.error(table.line(), "a flag has either text or regex");
      continue;
    }
    if (flag.regex) flag.content = pattern;
    if (flag.content.empty()) table.error(table.line(), "a flag that is empty would be everybody's");
    RE2::Options quiet;
    quiet.set_log_errors(false);
    if (const RE2 expression(flag.regex ? flag.content : "", quiet); !expression.ok())
      table.error(table.line(), fmt::format("flag.regex: {}", expression.error()));
    challenge.flags.push_back(std::move(flag));
  }
}

void read_hints(TomlKeys& top, Challenge& challenge) {
  std::vector<std::pair<TomlKeys, Hint>> read;
  std::set<std::string> ids;
  for (auto& table : top.tables("hint")) {
    Hint hint;
    table.text("id", hint.id);
    table.text("title", hint.title);
    table.text("text", hint.text, 16'000);
    table.whole("cost", hint.cost, 0, kMostPoints);
    table.texts("requires", hint.requires_ids);
    table.finish();
    if (hint.text.empty()) table.error(table.line(), "a hint needs its text");
    if (!hint.id.empty() && !ids.insert(hint.id).second)
      table.error(table.line(), fmt::format("two hints have the id \"{}\"", hint.id));
    read.emplace_back(table, std::move(hint));
  }
  for (auto& [table, hint] : read) {
    for (const auto& wanted : hint.requires_ids) {
      if (!ids.contains(wanted) || wanted == hint.id)
        table.error(table.line(), fmt::format("hint.requires: there is no other hint with the id \"{}\"", wanted));
    }
    challenge.hints.push_back(std::move(hint));
  }
}

/// Below the folder, whatever it is called.
bool stays_inside(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    if (path.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

void read_files(TomlKeys& top, Challenge& challenge) {
  std::set<std::string> names;
  for (auto& table : top.tables("file")) {
    Handout file;
    const bool path = table.text("path", file.path, 1000);
    const bool url = table.text("url", file.url, 2000);
    table.text("name", file.name);
    table.finish();
    if (path == url) table.error(table.line(), "a file has either a path or a url");
    else if (path && !stays_inside(file.path))
      table.error(table.line(), "file.path is a path below the challenge's folder, without \"..\"");
    else if (url && !file.url.starts_with("https://") && !file.url.starts_with("http://"))
      table.error(table.line(), "file.url begins with https://");
    if (file.name.empty()) file.name = path ? file.path.substr(file.path.rfind('/') + 1) : file.url;
    if (!names.insert(lower(file.name)).second)
      table.error(table.line(), fmt::format("two files have the name \"{}\"", file.name));
    challenge.files.push_back(std::move(file));
  }
}

void read_moment(TomlKeys& top, std::string_view key, std::string& out) {
  static const RE2 kMoment(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))");
  if (top.text(key, out, 40) && !RE2::FullMatch(out, kMoment))
    top.wrong(*top.take(key), key, "a time like \"2026-12-01T09:00:00Z\"");
}

void read_top(TomlKeys& top, Challenge& challenge) {
  constexpr std::array<std::string_view, 2> kStates{"visible", "hidden"};
  constexpr std::array<std::string_view, 3> kLogic{"any", "all", "team"}, kLocked{"hidden", "anonymous", "shown"};
  top.text("name", challenge.name);
  top.text("category", challenge.category);
  top.text("description", challenge.description, 64'000);
  top.text("connection", challenge.connection, 2000);
  top.text("attribution", challenge.attribution, 2000);
  if (top.text("solution", challenge.solution, 1000) && !stays_inside(challenge.solution))
    top.wrong(*top.take("solution"), "solution", "a path below the challenge's folder, without \"..\"");
  top.text("next", challenge.next);
  read_moment(top, "opens", challenge.opens);
  read_moment(top, "closes", challenge.closes);
  top.texts("authors", challenge.authors);
  top.texts("tags", challenge.tags);
  top.texts("topics", challenge.topics);
  std::string state = "visible";
  top.word("state", state, kStates);
  challenge.hidden = state == "hidden";
  top.whole("attempts", challenge.attempts, 0, 1'000'000);
  top.word("logic", challenge.logic, kLogic);
  top.texts("requires", challenge.requires_ids);
  top.word("locked", challenge.locked, kLocked);
  top.flag("breaks_ties", challenge.breaks_ties);
  top.flag("own_flags", challenge.own_flags);
  read_value(top, challenge);
  read_flags(top, challenge);
  read_hints(top, challenge);
  read_files(top, challenge);
  top.finish();
}

}  // namespace

std::span<const std::string_view> functions() { return kFunctions; }

ReadChallenge read_challenge(std::string_view text, const std::string& name) {
  ReadChallenge out;
  out.challenge.name = name;
  if (text.size() > 1024 * 1024) {
    out.problems.push_back({Problem::Severity::kError, kChallengeFile, 0, "the file is larger than 1 MiB"});
    return out;
  }
  try {
    const auto table = toml::parse(text);
    TomlKeys top(table, "", out.problems);
    read_top(top, out.challenge);
  } catch (const toml::parse_error& wrong) {
    out.problems.push_back({Problem::Severity::kError, kChallengeFile, static_cast<int>(wrong.source().begin.line),
                            std::string(wrong.description())});
  }
  return out;
}

}  // namespace tiltyard::imports
