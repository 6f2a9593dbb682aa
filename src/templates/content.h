#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "engine/spec.h"

namespace tiltyard::templates {

/// The patterns of a .dockerignore, as the builder reads them: the last one that matches a path or a folder above it
/// decides. https://docs.docker.com/build/concepts/context/#dockerignore-files
class IgnorePatterns {
 public:
  IgnorePatterns() = default;
  explicit IgnorePatterns(std::string_view text);

  bool ignored(std::string_view path) const;
  /// Whether something below an ignored folder may still be wanted.
  bool has_exceptions() const { return exceptions_; }

 private:
  struct Pattern {
    std::vector<std::string> parts;
    bool except = false;
  };
  std::vector<Pattern> patterns_;
  bool exceptions_ = false;
};

/// BLAKE2b (RFC 7693) over named pieces; each is hashed with its length, so that no two inputs look alike.
class ContentHash {
 public:
  ContentHash();
  void add(std::string_view piece);
  std::string hex(std::size_t bytes = 32);

 private:
  alignas(64) unsigned char state_[384];
};

struct TreeLimits {
  std::size_t files = 2000;
  std::int64_t bytes = 200LL * 1024 * 1024;
};

enum class Links { kAny, kInside };

/// Adds every file below `folder` (absolute) that is not ignored, in the order of their names: name, mode, and content
/// or the link's target. Nothing is followed; with `Links::kInside` a link that leaves the folder is an error. The
/// error says which limit is passed or what cannot be read.
std::expected<void, std::string> hash_tree(const std::string& folder, const IgnorePatterns& ignore, ContentHash& hash,
                                           Links links, const TreeLimits& limits = {});

/// What an image is made of: the context with its .dockerignore applied, and the build's parameters. 64 hex digits.
std::expected<std::string, std::string> hash_build(const engine::BuildSpec& build, const TreeLimits& limits = {});

}  // namespace tiltyard::templates
