#include <fmt/format.h>

#include <fnmatch.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "templates/dockerfile.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::string_view kBlanks = " \t\v\f\r";

std::string_view without_front(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view{} : text.substr(begin);
}

/// The lines of a text, each without its end.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    const auto end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++number;
    return true;
  }
  int number = 0;

 private:
  std::string_view rest_;
};

/// `<<EOF`, `<<-"EOF"`, `3<<EOF` as a word of its own; nothing where it is something else, as `<<<word`.
std::optional<HereDocument> here_document(std::string_view word) {
  while (!word.empty() && word.front() >= '0' && word.front() <= '9') word.remove_prefix(1);
  if (!word.starts_with("<<")) return std::nullopt;
  word.remove_prefix(2);
  HereDocument out;
  out.indent = word.starts_with('-');
  if (out.indent) word.remove_prefix(1);
  if (word.empty() || word.contains('<')) return std::nullopt;
  char quote = 0;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    if (quote == 0 && (c == '"' || c == '\'')) quote = c;
    else if (quote != 0 && c == quote) quote = 0;
    else if (c == '\\' && quote != '\'' && i + 1 < word.size()) out.name += word[++i];
    else out.name += c;
  }
  out.expand = out.name == word;
  return out.name.empty() ? std::nullopt : std::optional(std::move(out));
}

std::vector<HereDocument> here_documents(const Instruction& instruction) {
  std::vector<HereDocument> out;
  const bool may = instruction.word == "RUN" || instruction.word == "COPY" || instruction.word == "ADD" ||
                   instruction.word == "ONBUILD";
  if (!may || !instruction.rest.contains("<<") || json_words(instruction.rest)) return out;
  if (instruction.word == "ONBUILD") {
    const auto words = raw_words(instruction.rest);
    const std::string inner = words.empty() ? std::string{} : upper(words.front());
    if (inner != "RUN" && inner != "COPY" && inner != "ADD") return out;
  }
  for (const auto word : raw_words(instruction.rest)) {
    if (auto document = here_document(word)) out.push_back(std::move(*document));
  }
  return out;
}

Instruction split_instruction(std::string_view line) {
  Instruction out;
  line = trim(line);
  const auto end = std::min(line.find_first_of(kBlanks), line.size());
  out.word = upper(line.substr(0, end));
  line = without_front(line.substr(end));
  while (line.starts_with("--") && line.size() > 2) {
    const auto stop = std::min(line.find_first_of(kBlanks), line.size());
    if (stop == 2) break;  // "--" alone: what follows are no flags
    out.flags.emplace_back(line.substr(0, stop));
    line = without_front(line.substr(stop));
  }
  out.rest = line;
  return out;
}

class Cutter {
 public:
  explicit Cutter(std::string_view text) : lines_(text) {}

  DockerfileText take() {
    std::string_view line;
    while (out_.fault.empty() && lines_.next(line)) {
      const std::string_view shown = without_front(line);
      if (shown.starts_with('#')) {
        directive(shown);
        continue;
      }
      directives_ = false;
      if (!shown.empty()) instruction(shown);
    }
    return std::move(out_);
  }

 private:
  void fail(int line, std::string why) {
    out_.fault = std::move(why);
    out_.fault_line = line;
  }

  /// `# escape=` and `# syntax=` count at the very beginning, each once, and only until anything else was said.
  void directive(std::string_view comment) {
    if (!directives_ || (lines_.number == 1 && comment.starts_with("#!"))) return;
    const auto equals = comment.find('=');
    const std::string name = lower(trim(comment.substr(1, equals == std::string_view::npos ? equals : equals - 1)));
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : trim(comment.substr(equals + 1));
    if (value.empty() || (name != "escape" && name != "syntax" && name != "check")) {
      directives_ = false;
    } else if (name == "escape" && value != "`" && value != "\\") {
      fail(lines_.number, fmt::format("the escape character is \\ or `, not {}", printable(value, 20)));
    } else if (name == "escape") {
      out_.escape = value.front();
      out_.escape_line = lines_.number;
    } else if (name == "syntax") {
      out_.syntax_line = lines_.number;
    }
  }

  bool goes_on(std::string_view& line) const {
    const auto last = line.find_last_not_of(" \t");
    if (last == std::string_view::npos || line[last] != out_.escape) return false;
    line = line.substr(0, last);
    return true;
  }

  void instruction(std::string_view line) {
    const int first = lines_.number;
    bool more = goes_on(line);
    std::string joined(line);
    while (more && lines_.next(line)) {
      const std::string_view shown = without_front(line);
      if (shown.empty() || shown.starts_with('#')) continue;
      more = goes_on(line);
      joined += line;
    }
    if (trim(joined).empty()) return;
    Instruction read = split_instruction(joined);
    read.line = first;
    read.documents = here_documents(read);
    for (auto& document : read.documents) body(document, first);
    read.last = lines_.number;
    out_.instructions.push_back(std::move(read));
  }

  void body(HereDocument& document, int first) {
    std::string_view line;
    while (lines_.next(line)) {
      std::string_view end = line;
      if (document.indent) end.remove_prefix(std::min(end.find_first_not_of('\t'), end.size()));
      if (end == document.name) return;
      document.text += line;
      document.text += '\n';
    }
    fail(first, fmt::format("the here-document <<{} has no end: a line with nothing but {}", printable(document.name),
                            printable(document.name)));
  }

  Lines lines_;
  DockerfileText out_;
  bool directives_ = true;
};

constexpr std::size_t kLongestTrimmed = 1024;

/// `*` and `?` of a shell's patterns; a bracket is a bracket.
bool matches(std::string_view pattern, std::string_view text) {
  std::string said;
  for (const char c : pattern) said += c == '[' ? std::string("\\[") : std::string(1, c);
  return ::fnmatch(said.c_str(), std::string(text).c_str(), 0) == 0;
}

/// `${NAME#x}` and `##` cut the shortest and the longest beginning that matches, `%` and `%%` the end.
std::string trimmed(const std::string& value, std::string_view rest) {
  const bool front = rest[0] == '#', longest = rest.size() > 1 && rest[1] == rest[0];
  const auto pattern = rest.substr(longest ? 2 : 1);
  for (std::size_t step = 0; step <= value.size(); ++step) {
    const auto cut = longest ? value.size() - step : step;
    const auto left = value.size() - cut;
    const std::string_view all = value;
    if (matches(pattern, front ? all.substr(0, cut) : all.substr(left)))
      return std::string(front ? all.substr(cut) : all.substr(0, left));
  }
  return value;
}

/// `${NAME/x/y}` replaces the first match, the longest there, and `//` every one.
std::string replaced(std::string_view value, std::string_view rest) {
  const bool every = rest.starts_with("//");
  rest.remove_prefix(every ? 2 : 1);
  const auto slash = rest.find('/');
  const auto pattern = rest.substr(0, slash);
  const auto by = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  std::string out;
  bool done = pattern.empty();
  while (!value.empty()) {
    auto length = done ? 0 : value.size();
    while (length > 0 && !matches(pattern, value.substr(0, length))) --length;
    if (length == 0) {
      out += value.front();
      value.remove_prefix(1);
      continue;
    }
    out += by;
    value.remove_prefix(length);
    done = !every;
  }
  return out;
}

/// Reads one `$…` at the beginning of `text` and takes it away.
std::string expand_one(std::string_view& text, const std::map<std::string, std::string>& args) {
  const auto value = [&args](std::string_view name) -> const std::string* {
    const auto found = args.find(std::string(name));
    return found == args.end() ? nullptr : &found->second;
  };
  const auto name_end = [](std::string_view from) {
    std::size_t end = 0;
    while (end < from.size() && (from[end] == '_' || (from[end] >= '0' && from[end] <= '9') ||
                                 (from[end] >= 'a' && from[end] <= 'z') || (from[end] >= 'A' && from[end] <= 'Z')))
      ++end;
    return end;
  };
  text.remove_prefix(1);
  if (!text.starts_with('{')) {
    const auto end = name_end(text);
    const std::string* known = value(text.substr(0, end));
    text.remove_prefix(end);
    return end == 0 ? "$" : known ? *known : std::string{};
  }
  std::size_t close = 1;
  for (int depth = 1; close < text.size(); ++close) {
    if (text[close] == '{') ++depth;
    if (text[close] == '}' && --depth == 0) break;
  }
  std::string_view inner = text.substr(1, close - 1);
  text.remove_prefix(std::min(close + 1, text.size()));
  const auto end = name_end(inner);
  const std::string* known = value(inner.substr(0, end));
  inner.remove_prefix(end);
  const bool colon = inner.starts_with(':');
  if (colon) inner.remove_prefix(1);
  const bool set = known && !(colon && known->empty());
  const char operation = inner.empty() ? '\0' : inner.front();
  if (operation == '-') return set ? *known : expand_args(inner.substr(1), args);
  if (operation == '+') return set ? expand_args(inner.substr(1), args) : std::string{};
  if (!known || known->size() > kLongestTrimmed || colon) return known ? *known : std::string{};
  if (operation == '#' || operation == '%') return trimmed(*known, expand_args(inner, args));
  if (operation == '/') return replaced(*known, expand_args(inner, args));
  return *known;
}

}  // namespace

bool trims_variables(std::string_view text) {
  for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2)) {
    const auto end = text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", at + 2);
    if (end != std::string_view::npos && end > at + 2 && std::string_view("#%/").contains(text[end])) return true;
  }
  return false;
}

DockerfileText cut_dockerfile(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return Cutter(text).take();
}

std::vector<std::string_view> raw_words(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t i = 0;
  while (true) {
    i = line.find_first_not_of(kBlanks, i);
    if (i == std::string_view::npos) return words;
    const std::size_t begin = i;
    for (char quote = 0; i < line.size() && (quote != 0 || !kBlanks.contains(line[i])); ++i) {
      const char c = line[i];
      if (c == '\\' && quote != '\'' && i + 1 < line.size()) ++i;
      else if (quote == 0 && (c == '"' || c == '\'')) quote = c;
      else if (c == quote) quote = 0;
    }
    words.push_back(line.substr(begin, i - begin));
  }
}

std::optional<std::vector<std::string>> json_words(std::string_view text) {
  text = trim(text);
  if (!text.starts_with('[')) return std::nullopt;
  boost::system::error_code failed;
  const auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), failed);
  if (failed || !value.is_array()) return std::nullopt;
  std::vector<std::string> words;
  for (const auto& item : value.get_array()) {
    if (!item.is_string()) return std::nullopt;
    words.emplace_back(item.get_string());
  }
  return words;
}

std::string expand_args(std::string_view text, const std::map<std::string, std::string>& args) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '$' && text.size() > 1) {
      out += expand_one(text, args);
      continue;
    }
    if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace tiltyard::templates
