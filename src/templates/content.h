#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ignore.h"
#include "engine/spec.h"

namespace tiltyard::templates {

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

/// Adds every file below `folder` (absolute) that is not ignored, in the order of their names: name, mode, and content
/// or the link's target. Nothing is followed: a link is its text, wherever it leads. The error says which limit is
/// passed or what cannot be read.
std::expected<void, std::string> hash_tree(const std::string& folder, const engine::Ignore& ignore, ContentHash& hash,
                                           const TreeLimits& limits = {});

/// The names that the builds of templates have.
inline bool is_built(std::string_view reference) { return reference.starts_with("tiltyard/t-"); }

/// What an image is made of: the Dockerfile, the ignore file and what of the context it lets through, and the build's
/// parameters. The first two count also where the ignore file leaves them out, for the builder reads them all the same.
/// What the names of the images below it stand for is not in it (see `Catalogue::State_::settle`). 64 hex digits.
std::expected<std::string, std::string> hash_build(const engine::BuildSpec& build, std::string_view dockerfile,
                                                   const TreeLimits& limits = {});

}  // namespace tiltyard::templates
