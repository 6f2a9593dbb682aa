#include "engine/docker/ignore.h"

namespace tiltyard::engine::docker {
namespace {

/// Matches one character against the class that begins at pattern[0] == '['; moves `pattern` behind it.
bool matches_class(std::string_view& pattern, char c) {
  pattern.remove_prefix(1);
  const bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  for (bool first = true; !pattern.empty() && (first || pattern.front() != ']'); first = false) {
    if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
    const char low = pattern.front();
    pattern.remove_prefix(1);
    char high = low;
    if (pattern.size() > 1 && pattern.front() == '-' && pattern[1] != ']') {
      high = pattern[1];
      pattern.remove_prefix(2);
    }
    found = found || (low <= c && c <= high);
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return found != negated;
}

/// "./a/../b/" → "b"; the way Go's path.Clean reads patterns.
std::string clean(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") parts.pop_back();
    else parts.push_back(part);
  }
  std::string out;
  for (const auto part : parts) out += (out.empty() ? "" : "/") + std::string(part);
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view path) {
  while (!pattern.empty()) {
    if (pattern.starts_with("**")) {
      pattern.remove_prefix(2);
      const bool folders_only = pattern.starts_with('/');
      if (folders_only) pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      // Nothing, or everything up to some slash (or any point, where no slash follows the stars).
      for (std::size_t i = 0; i <= path.size(); ++i) {
        const bool at_start = i == 0 || path[i - 1] == '/';
        if ((at_start || !folders_only) && matches_glob(pattern, path.substr(i))) return true;
      }
      return false;
    }
    if (pattern.front() == '*') {
      pattern.remove_prefix(1);
      for (std::size_t i = 0; i <= path.size(); ++i) {
        if (matches_glob(pattern, path.substr(i))) return true;
        if (i < path.size() && path[i] == '/') return false;
      }
      return false;
    }
    if (path.empty()) return false;
    if (pattern.front() == '[') {
      if (path.front() == '/' || !matches_class(pattern, path.front())) return false;
    } else if (pattern.front() == '?') {
      if (path.front() == '/') return false;
      pattern.remove_prefix(1);
    } else {
      if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
      if (pattern.front() != path.front()) return false;
      pattern.remove_prefix(1);
    }
    path.remove_prefix(1);
  }
  return path.empty();
}

Ignore::Ignore(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with('#')) continue;
    line = trim(line);
    Rule rule;
    if (line.starts_with('!')) {
      rule.exception = true;
      line = trim(line.substr(1));
    }
    rule.pattern = clean(line);
    if (rule.pattern.empty()) continue;
    has_exceptions_ = has_exceptions_ || rule.exception;
    rules_.push_back(std::move(rule));
  }
}

bool Ignore::excludes(std::string_view path) const {
  bool out = false;
  for (const auto& rule : rules_) {
    if (rule.exception != out) continue;  // would change nothing
    bool hit = matches_glob(rule.pattern, path);
    for (auto slash = path.find('/'); !hit && slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      hit = matches_glob(rule.pattern, path.substr(0, slash));
    }
    if (hit) out = !rule.exception;
  }
  return out;
}

}  // namespace tiltyard::engine::docker
