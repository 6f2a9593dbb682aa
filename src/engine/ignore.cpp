#include "engine/ignore.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace tiltyard::engine {
namespace {

constexpr std::size_t kLargestFile = 256 * 1024, kLongestPattern = 1024, kMostPatterns = 1000;

/// "./a/../b/" → "b"; the way Go's path.Clean reads paths.
std::string clean(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") parts.pop_back();
    else if (part != ".." || !rooted) parts.push_back(part);
  }
  std::string out;
  for (const auto part : parts) out += (out.empty() ? "" : "/") + std::string(part);
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Bytes of the UTF-8 character that begins at `text`, which is not empty; a byte that begins none counts alone.
std::size_t character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  return std::min(size, text.size());
}

/// The length of the class that begins at `text`, "[…]", both brackets with it; nullopt: it is none.
std::optional<std::size_t> class_length(std::string_view text) {
  std::size_t at = text.starts_with("[^") ? 2 : 1;
  for (bool first = true; at < text.size(); first = false) {
    if (text[at] == ']') return first ? std::nullopt : std::optional(at + 1);
    if (text[at] == '-' && first) return std::nullopt;
    if (text[at] == '\\') ++at;
    if (at >= text.size()) return std::nullopt;
    at += character(text.substr(at));
  }
  return std::nullopt;
}

std::string_view take_character(std::string_view& text) {
  if (text.size() > 1 && text.front() == '\\') text.remove_prefix(1);
  const std::string_view one = text.substr(0, character(text));
  text.remove_prefix(one.size());
  return one;
}

/// Whether the character `one` is in the class "[a-z]" or not in "[^a-z]". Bytes of UTF-8 sort as its characters do.
bool in_class(std::string_view set, std::string_view one) {
  set = set.substr(1, set.size() - 2);
  const bool negated = set.starts_with('^');
  if (negated) set.remove_prefix(1);
  bool found = false;
  while (!set.empty()) {
    const std::string_view low = take_character(set);
    std::string_view high = low;
    if (set.size() > 1 && set.front() == '-') {
      set.remove_prefix(1);
      high = take_character(set);
    }
    found = found || (low <= one && one <= high);
  }
  return found != negated;
}

}  // namespace

std::expected<Ignore::Rule, std::string> Ignore::compile(const std::string& pattern) {
  Rule rule;
  const auto literal = [&rule](std::string_view text) {
    if (rule.tokens.empty() || rule.tokens.back().kind != Kind::kLiteral) rule.tokens.push_back({Kind::kLiteral, {}});
    rule.tokens.back().text += text;
  };
  bool plain = true;  // nothing special but what is looked at below
  std::string_view rest = pattern;
  while (!rest.empty()) {
    if (rest.starts_with("**")) {
      const bool first = rest.size() == pattern.size();
      rest.remove_prefix(2);
      if (rest.starts_with('/')) rest.remove_prefix(1);
      (first ? rule.by_ending : plain) = first;
      rule.tokens.push_back({rest.empty() ? Kind::kRest : Kind::kFolders, {}});
    } else if (rest.front() == '*') {
      if (rule.tokens.empty() || rule.tokens.back().kind != Kind::kRun) rule.tokens.push_back({Kind::kRun, {}});
      rest.remove_prefix(1);
      plain = false;
    } else if (rest.front() == '?') {
      rule.tokens.push_back({Kind::kAny, {}});
      rest.remove_prefix(1);
      plain = false;
    } else if (rest.front() == '[') {
      const auto length = class_length(rest);
      if (!length) return std::unexpected("the pattern's [ is not closed");
      rule.tokens.push_back({Kind::kClass, std::string(rest.substr(0, *length))});
      rest.remove_prefix(*length);
      plain = false;
    } else if (rest.front() == '\\') {
      if (rest.size() == 1) return std::unexpected("the pattern ends in a backslash");
      literal(take_character(rest));
      plain = false;
    } else {
      literal(take_character(rest));
    }
  }
  rule.by_ending = rule.by_ending && plain;
  if (rule.by_ending) rule.ending = pattern.substr(2);
  return rule;
}

/// Each token moves the set of places that have been reached, so that many stars cost no more than their product.
bool Ignore::matches(const Rule& rule, std::string_view path) {
  if (rule.by_ending)
    return path.ends_with(rule.ending) || (rule.ending.starts_with('/') && path == rule.ending.substr(1));
  std::vector<char> reached(path.size() + 1, 0), next;
  reached[0] = 1;
  for (const auto& token : rule.tokens) {
    next.assign(path.size() + 1, 0);
    bool any = false;
    for (std::size_t at = 0; at <= path.size(); ++at) {
      if (!reached[at]) continue;
      any = true;
      const std::string_view rest = path.substr(at);
      switch (token.kind) {
        case Kind::kLiteral:
          if (rest.starts_with(token.text)) next[at + token.text.size()] = 1;
          break;
        case Kind::kAny:
          if (!rest.empty() && rest.front() != '/') next[at + character(rest)] = 1;
          break;
        case Kind::kClass:
          if (!rest.empty() && in_class(token.text, rest.substr(0, character(rest)))) next[at + character(rest)] = 1;
          break;
        case Kind::kRun:
          next[at] = 1;
          for (std::size_t to = at; to < path.size() && path[to] != '/'; ++to) next[to + 1] = 1;
          break;
        case Kind::kFolders:
          next[at] = 1;
          for (std::size_t to = at; to < path.size(); ++to) next[to + 1] |= path[to] == '/' ? 1 : 0;
          break;
        case Kind::kRest:
          return true;
      }
    }
    if (!any) return false;
    std::swap(reached, next);
  }
  return reached[path.size()] != 0;
}

Ignore::Ignore(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (int number = 1; !text.empty() && fault_.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with('#')) continue;
    line = trim(line);
    if (line.empty()) continue;
    const bool exception = line.starts_with('!');
    if (exception) line = trim(line.substr(1));
    std::expected<Rule, std::string> rule = Rule{};
    const std::string pattern = clean(line);
    if (line.empty()) rule = std::unexpected("\"!\" needs a pattern");
    else if (line.size() > kLongestPattern || rules_.size() >= kMostPatterns) rule = std::unexpected("it is too long");
    else if (pattern.empty()) continue;  // the context itself, which always goes
    else rule = compile(pattern);
    if (!rule) {
      fault_ = "line " + std::to_string(number) + ": " + rule.error();
      return;
    }
    rule->exception = exception;
    has_exceptions_ = has_exceptions_ || exception;
    rules_.push_back(std::move(*rule));
  }
}

bool Ignore::excludes(std::string_view path) const {
  bool out = false;
  for (const auto& rule : rules_) {
    if (rule.exception != out) continue;  // would change nothing
    bool hit = matches(rule, path);
    for (auto slash = path.find('/'); !hit && slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      hit = matches(rule, path.substr(0, slash));
    }
    if (hit) out = !rule.exception;
  }
  return out;
}

std::expected<std::string, std::string> read_ignore_text(const BuildSpec& build) {
  if (build.ignore_text) return *build.ignore_text;
  std::vector<std::string> names{".dockerignore"};
  if (build.dockerfile_text.empty()) names.insert(names.begin(), build.dockerfile + ".dockerignore");
  for (const auto& name : names) {
    const int fd = ::open((build.context + "/" + name).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    if (fd < 0)
      return std::unexpected(name +
                             (errno == ELOOP ? " is a symbolic link" : std::string(": ") + std::strerror(errno)));
    std::string text(kLargestFile + 1, '\0');
    std::size_t size = 0;
    ssize_t got = 1;
    while (size < text.size() && (got = ::read(fd, text.data() + size, text.size() - size)) > 0)
      size += static_cast<std::size_t>(got);
    const int trouble = errno;
    ::close(fd);
    if (got < 0) return std::unexpected(name + ": " + std::strerror(trouble));
    if (size > kLargestFile) return std::unexpected(name + " is too large");
    text.resize(size);
    return text;
  }
  return std::string{};
}

}  // namespace tiltyard::engine
