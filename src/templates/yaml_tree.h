#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "templates/problems.h"

namespace tiltyard::templates {

struct Member;

/// One node of a YAML file with its place. Anchors, aliases and merge keys are resolved: a copy keeps the place where
/// its text stands.
struct Node {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  enum class Mark { kNone, kReset, kOverride };  ///< `!reset` and `!override` of the Compose specification

  Kind kind = Kind::kNull;
  Mark mark = Mark::kNone;
  bool quoted = false;
  bool at_spawn = false;  ///< a scalar with a name in it that is known only when an instance starts
  std::string text;       ///< of a scalar
  Place place;
  std::vector<Node> items;      ///< of a sequence
  std::vector<Member> members;  ///< of a map, in file order, keys unique

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_map() const { return kind == Kind::kMap; }
  /// Null, or a collection with nothing in it.
  bool is_empty() const;

  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  const Member* member(std::string_view key) const;
  /// Replaces or appends.
  void set(std::string key, Place key_place, Node value);
  void erase(std::string_view key);
};

struct Member {
  std::string key;
  Place place;  ///< of the key
  Node value;
};

/// "a text", "a list", …: for messages.
std::string_view kind_name(const Node& node);

/// What a file may be at most. After aliases are resolved the tree has at most `nodes` nodes and `bytes` of text, so
/// that a file which multiplies itself through aliases is refused instead of filling the memory.
struct YamlLimits {
  std::size_t size = 1024 * 1024;
  std::size_t nodes = 50'000;
  std::size_t bytes = 4 * 1024 * 1024;
  int depth = 48;
};

/// Reads one YAML document. Refused, with the line: invalid UTF-8 and control characters, several documents, duplicate
/// keys, keys that are no scalars, tags other than the core schema's and Compose's two, everything over `limits`.
/// An empty file is a null node. On an error (reported to `problems`) nullopt.
std::optional<Node> parse_yaml(std::string_view text, std::shared_ptr<const Source> source, Problems& problems,
                               const YamlLimits& limits = {});

}  // namespace tiltyard::templates
