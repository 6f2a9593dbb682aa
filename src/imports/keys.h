#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "imports/draft.h"

namespace tiltyard::imports {

/// A map of somebody's file, read key by key: what was taken is noted with its line, and so is what nobody asked for.
class Keys {
 public:
  /// `prefix` stands before the keys' names in notes ("extra.").
  Keys(const Node& map, Draft& draft, std::string prefix = {});

  /// The value, without a note; null where it is not there or empty.
  const Node* find(std::string_view key);
  /// The same, noted as taken.
  const Node* take(std::string_view key);
  bool has(std::string_view key) const;

  std::string text(std::string_view key, std::size_t most = 200);
  std::optional<std::int64_t> whole(std::string_view key, std::int64_t least = 0,
                                    std::int64_t most = 1'000'000'000'000);
  std::optional<double> number(std::string_view key);
  std::optional<bool> flag(std::string_view key);
  /// A list of texts, or one text.
  std::vector<std::string> texts(std::string_view key, std::size_t most = 200);

  void cannot(std::string_view key, std::string why);
  void changed(std::string_view key, std::string how);
  /// Of no meaning for anybody here, and nothing is lost.
  void skip(std::string_view key) { known_.insert(std::string(key)); }
  /// Notes what nobody asked for.
  void finish();

  Place place(std::string_view key) const;
  const Node& map() const { return map_; }
  std::string name(std::string_view key) const { return prefix_ + std::string(key); }

 private:
  void wrong(std::string_view key, std::string_view wanted);

  const Node& map_;
  Draft& draft_;
  std::string prefix_;
  std::set<std::string, std::less<>> known_;
};

/// A scalar's text in one map; empty where it is not there.
std::string text_in(const Node& map, std::string_view key);
/// PyYAML's yes, no, on and off count as well.
std::optional<bool> truth(const Node& node);
std::optional<std::int64_t> whole_of(const Node& node);

// Trees of one's own, for the compose files that are made.
Node scalar(std::string text);  ///< a text
Node plain(std::string text);   ///< a number, true, false
Node list_of(std::vector<Node> items);
Node map_of(std::vector<std::pair<std::string, Node>> members);
/// As a YAML file that says the same.
std::string yaml_text(const Node& node);
/// Text that Compose takes as it is.
std::string without_dollars(std::string_view text);

}  // namespace tiltyard::imports
