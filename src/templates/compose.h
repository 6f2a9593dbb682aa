#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "templates/inside.h"
#include "templates/interpolate.h"
#include "templates/problems.h"
#include "templates/yaml_tree.h"

namespace tiltyard::templates {

/// Loads compose files: interpolation, `include`, `extends` and override files, each inside the template's folder. The
/// result is one tree in which every value still knows its file and line; nothing in it has been judged yet, so that
/// what a file smuggles in through another is judged like what it says itself.
class ComposeLoader {
 public:
  ComposeLoader(const Inside& inside, Problems& problems) : inside_(inside), problems_(problems) {}

  /// The first file and those laid over it. nullopt: an error was reported.
  std::optional<Node> load(const std::vector<std::string>& files, const Variables& variables);
  /// Every file that was read, with its content: part of the template's content hash.
  const std::map<std::string, std::string>& files() const { return texts_; }

 private:
  /// Files that share variables and the folder that paths start from.
  struct Scope {
    Variables variables;
    std::optional<std::string> base;  ///< nullopt: each file's own folder
    std::map<std::string, Node> parsed;
  };
  struct Link {
    std::string file, service;
    bool operator==(const Link&) const = default;
  };

  std::optional<Node> load_merged(const std::vector<std::string>& files, Scope& scope);
  std::optional<Node> load_one(const std::string& file, Scope& scope);
  const Node* parsed(const std::string& file, Scope& scope, const Place& asked);
  const std::string* text(const std::string& file, const Place& asked);

  bool include_all(Node& root, Scope& scope);
  bool include_one(Node& included, const Node& entry, Scope& scope);
  std::optional<std::vector<std::string>> include_paths(const Node& entry);
  std::optional<std::string> locate_file(const Node& path);
  bool add_env_files(const Node* env_file, const std::string& base, Variables& variables);
  static void lay_over(Node& root, Node included);

  bool extend_all(Node& root, Scope& scope);
  std::optional<Node> extended(const Node& services, const std::string& file, const Member& service, Scope& scope,
                               std::vector<Link>& chain);
  std::optional<Node> extend_from(const Node& services, const std::string& file, const Node& extends, Scope& scope,
                                  std::vector<Link>& chain);

  bool spend(const Node& node, const Place& place);

  const Inside& inside_;
  Problems& problems_;
  std::map<std::string, std::string> texts_;
  std::vector<std::string> including_;
  int includes_ = 0;
  int merges_ = 0;
  std::size_t nodes_ = 0;  ///< read and copied so far
};

}  // namespace tiltyard::templates
