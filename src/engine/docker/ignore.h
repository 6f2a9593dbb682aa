#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::engine::docker {

/// The patterns of a .dockerignore: one per line, '#' comments, '!' exceptions, `*`, `?`, `[a-z]`, `**`; the last that
/// matches a path or one of its parents decides. Format: docs.docker.com/build/concepts/context/#dockerignore-files.
class Ignore {
 public:
  explicit Ignore(std::string_view text);
  /// `path` is relative, with slashes.
  bool excludes(std::string_view path) const;
  /// Whether nothing below an excluded folder can come back, so that it need not be read.
  bool has_exceptions() const { return has_exceptions_; }

 private:
  struct Rule {
    std::string pattern;
    bool exception = false;
  };
  std::vector<Rule> rules_;
  bool has_exceptions_ = false;
};

/// Whether `path` matches `pattern` as a whole; `**` matches any number of folders.
bool matches_glob(std::string_view pattern, std::string_view path);

}  // namespace tiltyard::engine::docker
