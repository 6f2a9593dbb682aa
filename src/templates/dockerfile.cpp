#include "templates/dockerfile.h"

#include <fmt/format.h>

#include <algorithm>

#include "templates/values.h"

namespace tiltyard::templates {
namespace {

using Args = std::map<std::string, std::string>;

/// `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+word}`; what is not known is empty, as the builder has it.
std::string expand(std::string_view text, const Args& args) {
  std::string out;
  const auto value = [&args](std::string_view name) {
    const auto found = args.find(std::string(name));
    return found == args.end() ? std::string{} : found->second;
  };
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$' || i + 1 >= text.size()) {
      out += text[i++];
      continue;
    }
    if (text[i + 1] == '{') {
      const auto close = text.find('}', i);
      if (close == std::string_view::npos) return out;
      const std::string_view inner = text.substr(i + 2, close - i - 2);
      const auto colon = inner.find(':');
      const std::string known = value(inner.substr(0, colon));
      const std::string_view word =
          colon == std::string_view::npos || colon + 2 > inner.size() ? std::string_view{} : inner.substr(colon + 2);
      const char operation = colon == std::string_view::npos || colon + 1 >= inner.size() ? '\0' : inner[colon + 1];
      if (operation == '-') out += known.empty() ? std::string(word) : known;
      else if (operation == '+') out += known.empty() ? std::string{} : std::string(word);
      else out += known;
      i = close + 1;
      continue;
    }
    std::size_t end = i + 1;
    while (end < text.size() && (is_name(text.substr(end, 1)) || text[end] == '_')) ++end;
    out += value(text.substr(i + 1, end - i - 1));
    i = std::max(end, i + 1);
  }
  return out;
}

std::string_view unquote(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

/// Instructions with their continuation lines joined and comments taken out.
std::vector<std::string> instructions(std::string_view text) {
  std::vector<std::string> out;
  std::string joined;
  char escape = '\\';
  bool directives = true;
  for (auto line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string_view shown = trim(line);
    if (shown.starts_with('#')) {
      const std::string directive = lower(shown.substr(1));
      if (directives && trim(directive).starts_with("escape=")) escape = directive.back() == '`' ? '`' : '\\';
      continue;
    }
    if (shown.empty()) continue;
    directives = false;
    if (shown.back() == escape) {
      joined += std::string(shown.substr(0, shown.size() - 1)) + " ";
      continue;
    }
    joined += shown;
    out.push_back(std::move(joined));
    joined.clear();
  }
  if (!joined.empty()) out.push_back(std::move(joined));
  return out;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t i = 0;
  while (i < text.size()) {
    const auto begin = text.find_first_not_of(" \t", i);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    i = end;
  }
  return words;
}

class Reader {
 public:
  explicit Reader(const Args& given) : given_(given) {}

  void instruction(std::string_view line) {
    const auto words = words_of(line);
    const std::string what = upper(words[0]);
    if (what == "ARG") arg(words);
    else if (what == "FROM") from(words);
    if (what == "RUN") ++facts_.runs;
    if (what == "COPY" || what == "ADD" || what == "RUN") copies(words);
  }

  DockerfileFacts take() {
    if (!facts_.has_from && facts_.fault.empty()) facts_.fault = "it has no FROM";
    return std::move(facts_);
  }

 private:
  void arg(const std::vector<std::string_view>& words) {
    if (facts_.has_from) return;  // of a stage, not of FROM lines
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto equals = words[i].find('=');
      const std::string name(words[i].substr(0, equals));
      const auto given = given_.find(name);
      if (given != given_.end()) known_[name] = given->second;
      else if (equals != std::string_view::npos) known_[name] = expand(unquote(words[i].substr(equals + 1)), known_);
    }
  }

  void from(const std::vector<std::string_view>& words) {
    facts_.has_from = true;
    std::size_t at = 1;
    while (at < words.size() && words[at].starts_with("--")) ++at;
    if (at >= words.size()) {
      facts_.fault = "a FROM without an image";
      return;
    }
    const std::string image = expand(unquote(words[at]), known_);
    if (image.empty())
      facts_.fault = fmt::format("FROM {} names no image; give its ARG a default", printable(words[at]));
    add(image);
    const bool named = at + 2 < words.size() && lower(words[at + 1]) == "as";
    facts_.stages.push_back(named ? lower(words[at + 2]) : "");
  }

  void copies(const std::vector<std::string_view>& words) {
    for (std::size_t i = 1; i < words.size() && words[i].starts_with("--"); ++i) {
      if (words[i].starts_with("--from=")) add(expand(unquote(words[i].substr(7)), known_));
      if (!words[i].starts_with("--mount=")) continue;
      for (const auto part : split(words[i].substr(8), ',')) {
        if (part.starts_with("from=")) add(expand(unquote(part.substr(5)), known_));
      }
    }
  }

  void add(const std::string& image) {
    if (image.empty() || image == "scratch" || parse_integer(image)) return;
    if (std::ranges::find(facts_.stages, lower(image)) != facts_.stages.end()) return;
    if (std::ranges::find(facts_.bases, image) == facts_.bases.end()) facts_.bases.push_back(image);
  }

  const Args& given_;
  Args known_;
  DockerfileFacts facts_;
};

}  // namespace

DockerfileFacts read_dockerfile(std::string_view text, const std::map<std::string, std::string>& args) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Reader reader(args);
  for (const auto& line : instructions(text)) reader.instruction(line);
  return reader.take();
}

}  // namespace tiltyard::templates
