#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "engine/spec.h"

namespace tiltyard::engine {

/// The patterns of a .dockerignore: one per line, '#' comments at the very beginning of a line, '!' exceptions, `*`,
/// `?`, `[a-z]`, `**`; the last that matches a path or a folder above it decides.
/// https://docs.docker.com/build/concepts/context/#dockerignore-files, and github.com/moby/patternmatcher for what that
/// leaves open.
class Ignore {
 public:
  Ignore() = default;
  explicit Ignore(std::string_view text);

  /// `path` is relative, with slashes.
  bool excludes(std::string_view path) const;
  /// Whether something below an excluded folder may still be wanted.
  bool has_exceptions() const { return has_exceptions_; }
  /// Why no builder takes it, with the line; empty: it is fine.
  const std::string& fault() const { return fault_; }

 private:
  enum class Kind { kLiteral, kAny, kRun, kFolders, kRest, kClass };
  /// A part of a pattern: a text, `?`, `*`, `**` before more, `**` at the end, `[…]`.
  struct Token {
    Kind kind = Kind::kLiteral;
    std::string text;
  };
  struct Rule {
    std::vector<Token> tokens;
    std::string ending;  ///< set where the pattern is `**` and this text: whatever ends in it
    bool by_ending = false;
    bool exception = false;
  };
  static std::expected<Rule, std::string> compile(const std::string& pattern);
  static bool matches(const Rule& rule, std::string_view path);

  std::vector<Rule> rules_;
  bool has_exceptions_ = false;
  std::string fault_;
};

/// The text of the ignore file that counts for a build: what the spec says, else that beside the Dockerfile
/// ("Dockerfile.dockerignore"), else the context's own; empty: there is none. The error says why it is not read.
std::expected<std::string, std::string> read_ignore_text(const BuildSpec& build);

/// A folder that a build knows by a name of its own, as a context: no Dockerfile is in it.
inline BuildSpec named_context(const std::string& folder) {
  BuildSpec out;
  out.context = folder;
  out.dockerfile_text = "FROM scratch";
  return out;
}
/// Where it lies in what is sent.
inline std::string named_folder(const std::string& name) { return "named/" + name; }

}  // namespace tiltyard::engine
