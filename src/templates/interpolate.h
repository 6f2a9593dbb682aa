#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "templates/problems.h"
#include "templates/yaml_tree.h"

namespace tiltyard::templates {

/// The variables that `${NAME}` may name: of instance.toml, of the folder's .env, of an include's env_file. Never the
/// server's own environment. The first layer that has a name wins.
class Variables {
 public:
  using Layer = std::map<std::string, std::string>;

  void add_layer(Layer layer) { layers_.push_back(std::make_shared<const Layer>(std::move(layer))); }
  /// A layer that may still grow.
  void add_layer(std::shared_ptr<const Layer> layer) { layers_.push_back(std::move(layer)); }
  const std::string* find(const std::string& name) const;

 private:
  std::vector<std::shared_ptr<const Layer>> layers_;
};

/// Known only when an instance starts: FLAG, DYNAMIC_FLAG, INSTANCE_ID, DOCKER_NETWORK, PORT_<number>.
bool is_spawn_name(std::string_view name);

/// Replaces `$NAME ${NAME} ${NAME:-d} ${NAME-d} ${NAME:?e} ${NAME?e} ${NAME:+r} ${NAME+r} $$` in `text`; defaults may
/// nest. Spawn-time names stay as `${NAME}`, count as set, and set `at_spawn`. A missing variable is a warning and
/// empty text.
std::string interpolate(std::string_view text, const Variables& variables, const Place& place, Problems& problems,
                        bool* at_spawn = nullptr);
/// The same for every scalar below `node`; keys are left alone, as Compose does.
void interpolate(Node& node, const Variables& variables, Problems& problems);

/// One variable of a .env or env_file.
struct EnvLine {
  std::string name;
  std::optional<std::string> value;  ///< nullopt: only named, "NAME"
  int line = 0;
};

/// The .env format: `NAME=value`, `export`, comments, 'literal' and "escaped" quotes (also over several lines), `$`
/// substitution from earlier lines and `variables`. `raw`: values are taken as they stand (env_file's `format: raw`).
std::vector<EnvLine> parse_env(std::string_view text, const Variables& variables, std::shared_ptr<const Source> source,
                               bool raw, Problems& problems);

}  // namespace tiltyard::templates
