#include "templates/interpolate.h"

#include <algorithm>

#include <fmt/format.h>

#include "templates/text.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::size_t kLongestValue = 64 * 1024;
constexpr int kDeepestDefault = 8;

bool starts_name(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool in_name(char c) { return starts_name(c) || (c >= '0' && c <= '9'); }

/// One text being substituted. Reports at most one fault per text.
class Substitution {
 public:
  Substitution(const Variables& variables, const Place& place, Problems& problems)
      : variables_(variables), place_(place), problems_(problems) {}

  std::string run(std::string_view text, int depth) {
    std::string out;
    for (std::size_t i = 0; i < text.size() && !failed_;) {
      if (text[i] != '$') {
        out += text[i++];
      } else {
        i = dollar(text, i + 1, depth, out);
      }
      if (out.size() > kLongestValue)
        fault("the value is longer than 65536 characters once its variables are filled in");
    }
    return failed_ ? std::string{} : out;
  }

  bool at_spawn() const { return at_spawn_; }

 private:
  void fault(std::string message) {
    if (!failed_) problems_.error(place_, std::move(message));
    failed_ = true;
  }

  /// What follows a '$'; gives where to go on.
  std::size_t dollar(std::string_view text, std::size_t at, int depth, std::string& out) {
    if (at < text.size() && text[at] == '$') {
      out += '$';
      return at + 1;
    }
    if (at < text.size() && text[at] == '{') return braced(text, at + 1, depth, out);
    std::size_t end = at;
    if (end < text.size() && starts_name(text[end])) {
      while (end < text.size() && in_name(text[end])) ++end;
    }
    if (end == at) {
      fault("a lone \"$\"; write \"$$\" for a dollar sign");
      return text.size();
    }
    out += plain(std::string(text.substr(at, end - at)));
    return end;
  }

  /// Where the variable ends. A default may hold braces in pairs, as JSON does; only where they do not pair up do they
  /// count for nothing, and the first "}" that no inner "${" needs ends it.
  static std::size_t closing_brace(std::string_view text, std::size_t at) {
    const std::size_t paired = closing_brace(text, at, true);
    return paired != std::string_view::npos ? paired : closing_brace(text, at, false);
  }

  static std::size_t closing_brace(std::string_view text, std::size_t at, bool count_all) {
    int open = 1;
    for (; at < text.size(); ++at) {
      if (text[at] == '{' && (count_all || text[at - 1] == '$')) ++open;
      else if (text[at] == '}' && --open == 0) return at;
    }
    return std::string_view::npos;
  }

  std::size_t braced(std::string_view text, std::size_t at, int depth, std::string& out) {
    const std::size_t close = closing_brace(text, at);
    if (close == std::string_view::npos) {
      fault("\"${\" without its \"}\"");
      return text.size();
    }
    const std::string_view inner = text.substr(at, close - at);
    std::size_t end = 0;
    if (!inner.empty() && starts_name(inner[0])) {
      while (end < inner.size() && in_name(inner[end])) ++end;
    }
    const std::string name(inner.substr(0, end));
    std::string_view rest = inner.substr(end);
    if (name.empty()) {
      fault(fmt::format("\"${{{}}}\" is no variable; write \"$$\" for a dollar sign", printable(inner, 40)));
    } else if (rest.empty()) {
      out += plain(name);
    } else {
      const bool empty_too = rest[0] == ':';
      if (empty_too) rest.remove_prefix(1);
      const char operation = rest.empty() ? '\0' : rest[0];
      if (!rest.empty()) rest.remove_prefix(1);
      out += with_operation(name, operation, empty_too, rest, depth);
    }
    return close + 1;
  }

  std::string with_operation(const std::string& name, char operation, bool empty_too, std::string_view word,
                             int depth) {
    if (depth >= kDeepestDefault) {
      fault("defaults are nested more than 8 deep");
      return {};
    }
    const bool later = is_spawn_name(name);
    const std::string* value = variables_.find(name);
    const bool there = later || (value && !(empty_too && value->empty()));
    switch (operation) {
      case '-':
        return there ? plain(name) : run(word, depth + 1);
      case '+':
        return there ? run(word, depth + 1) : std::string{};
      case '?':
        if (there) return plain(name);
        fault(word.empty() ? fmt::format("the variable {} must be set in .env or instance.toml", name)
                           : fmt::format("the variable {} must be set: {}", name, run(word, depth + 1)));
        return {};
      default:
        fault(fmt::format("\"${{{}…}}\": after the name only :- - :? ? :+ + may stand", name));
        return {};
    }
  }

  std::string plain(const std::string& name) {
    if (is_spawn_name(name)) {
      at_spawn_ = true;
      return "${" + name + "}";
    }
    if (const std::string* value = variables_.find(name)) return *value;
    // A file that is included from elsewhere has an .env of its own.
    const bool at_home = place_.base().empty();
    problems_.warn(place_,
                   fmt::format("the variable {0} is not set in .env or instance.toml; it is taken as empty, as Compose "
                               "does; write {0}= in .env "
                               "if that is meant",
                               printable(name)),
                   at_home ? std::optional(Fix{.deed = Fix::Deed::kVariable, .to = name + "="}) : std::nullopt);
    return {};
  }

  const Variables& variables_;
  const Place& place_;
  Problems& problems_;
  bool failed_ = false;
  bool at_spawn_ = false;
};

/// Reads a .env line by line, but a quoted value may run over several.
class EnvReader {
 public:
  EnvReader(std::string_view text, const Variables& variables, std::shared_ptr<const Source> source, bool raw,
            Problems& problems)
      : text_(text), source_(std::move(source)), raw_(raw), problems_(problems), all_(variables) {
    all_.add_layer(std::shared_ptr<const Variables::Layer>(known_));
  }

  std::vector<EnvLine> run() {
    while (at_ < text_.size()) {
      const int line = line_;
      if (auto one = statement(line)) {
        if (one->value) (*known_)[one->name] = *one->value;
        lines_.push_back(std::move(*one));
      }
    }
    return std::move(lines_);
  }

 private:
  Place place(int line) const { return {source_, line}; }

  std::string_view take_line() {
    const auto end = std::min(text_.find('\n', at_), text_.size());
    const auto line = text_.substr(at_, end - at_);
    at_ = std::min(end + 1, text_.size());
    ++line_;
    return line;
  }

  std::optional<EnvLine> statement(int number) {
    const std::size_t begin = at_;
    std::string_view line = take_line();
    std::string_view rest = trim(line);
    if (rest.empty() || rest[0] == '#') return std::nullopt;
    if (!raw_ && (rest.starts_with("export ") || rest.starts_with("export\t"))) rest = trim(rest.substr(7));
    const auto equals = rest.find_first_of(raw_ ? "=" : "=:");
    const std::string_view name = trim(rest.substr(0, equals));
    if (name.empty() || name.find_first_of(" \t\"'$") != std::string_view::npos) {
      problems_.error(place(number), fmt::format("\"{}\" is no variable; write NAME=value", printable(rest, 40)));
      return std::nullopt;
    }
    EnvLine one{std::string(name), std::nullopt, number};
    if (equals == std::string_view::npos) return one;
    const std::string_view value = rest.substr(equals + 1);
    if (raw_) {
      one.value = std::string(value);
      return one;
    }
    const std::string_view shown = trim(strip_comment(value));
    if (!shown.empty() && (shown[0] == '"' || shown[0] == '\'')) {
      at_ = begin + static_cast<std::size_t>(shown.data() - line.data());
      line_ = number;
      one.value = quoted(number);
    } else {
      one.value = substitute(shown, number);
    }
    return one;
  }

  /// A comment has a blank before it: "a#b" and a colour, "#fff", are values.
  static std::string_view strip_comment(std::string_view value) {
    for (std::size_t i = 1; i < value.size(); ++i) {
      if (value[i] == '#' && (value[i - 1] == ' ' || value[i - 1] == '\t')) return value.substr(0, i);
    }
    return value;
  }

  std::string quoted(int number) {
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\n') ++line_;
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == '\n') ++line_;
        value += quote == '"' ? escape(c) : c == '\'' ? "'" : std::string("\\") + c;
        continue;
      }
      value += c;
    }
    if (at_ >= text_.size()) {
      problems_.error(place(number), "the quote is not closed");
      return {};
    }
    ++at_;
    const std::string_view after = trim(take_line());
    if (!after.empty() && after[0] != '#') problems_.error(place(number), "text after the closing quote");
    return quote == '"' ? substitute(value, number) : value;
  }

  /// What a backslash and `c` stand for between double quotes.
  static std::string escape(char c) {
    constexpr std::string_view kLetters = "abfnrtv", kMeant = "\a\b\f\n\r\t\v";
    if (const auto at = kLetters.find(c); at != std::string_view::npos) return std::string(1, kMeant[at]);
    if (c == '$') return "$$";
    return c == '"' || c == '\\' ? std::string(1, c) : std::string("\\") + c;
  }

  std::string substitute(std::string_view value, int number) {
    if (value.find('$') == std::string_view::npos) return std::string(value);
    return interpolate(value, all_, place(number), problems_);
  }

  std::string_view text_;
  std::shared_ptr<const Source> source_;
  bool raw_;
  Problems& problems_;
  std::shared_ptr<Variables::Layer> known_ = std::make_shared<Variables::Layer>();
  Variables all_;
  std::vector<EnvLine> lines_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

const std::string* Variables::find(const std::string& name) const {
  for (const auto& layer : layers_) {
    if (const auto found = layer->find(name); found != layer->end()) return &found->second;
  }
  return nullptr;
}

bool is_spawn_name(std::string_view name) {
  if (name == "FLAG" || name == "DYNAMIC_FLAG" || name == "INSTANCE_ID" || name == "DOCKER_NETWORK") return true;
  return name.starts_with("PORT_") && parse_port(name.substr(5)).has_value();
}

std::string interpolate(std::string_view text, const Variables& variables, const Place& place, Problems& problems,
                        bool* at_spawn) {
  Substitution substitution(variables, place, problems);
  std::string out = substitution.run(text, 0);
  if (at_spawn) *at_spawn = substitution.at_spawn();
  return out;
}

void interpolate(Node& node, const Variables& variables, Problems& problems) {
  if (node.is_scalar() && node.text.find('$') != std::string::npos) {
    node.text = interpolate(node.text, variables, node.place, problems, &node.at_spawn);
  }
  for (auto& item : node.items) interpolate(item, variables, problems);
  for (auto& member : node.members) {
    // Extension fields are carried along unread; a dollar in a note of the author's own is no variable.
    if (!member.key.starts_with("x-")) interpolate(member.value, variables, problems);
  }
}

std::vector<EnvLine> parse_env(std::string_view text, const Variables& variables, std::shared_ptr<const Source> source,
                               bool raw, Problems& problems) {
  auto clean = clean_text(text);
  if (!clean) {
    problems.error(Place{source, clean.error().line}, clean.error().message);
    return {};
  }
  return EnvReader(*clean, variables, std::move(source), raw, problems).run();
}

}  // namespace tiltyard::templates
