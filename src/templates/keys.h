#pragma once

#include <span>
#include <string>
#include <string_view>

#include "templates/problems.h"
#include "templates/yaml_tree.h"

namespace tiltyard::templates {

/// What becomes of a key of the Compose specification.
enum class Verdict {
  kHonoured,
  kRewritten,  ///< taken, but changed to what an instance may have; a warning says so
  kIgnored,    ///< of no meaning here; a warning says so
  kRefused,    ///< breaks the template, with the reason
};

struct Key {
  std::string_view scope;  ///< where it stands: "service", "service.build", "network", …
  std::string_view name;
  Verdict verdict;
  std::string_view note;  ///< the reason of a refusal, what the warning says, or how it is honoured
  /// A refused or ignored key with this value says nothing that is not so anyway, and passes in silence.
  std::string_view harmless = {};
  std::string_view instead = {};  ///< what to write, or to do, in place of what is refused, ignored or rewritten
};

/// Why, and what to write instead: the end of a message about the key.
std::string reason_of(const Key& key);

/// Every key of the Compose specification's schema, once. docs/templates.md shows the same table.
std::span<const Key> all_keys();
const Key* find_key(std::string_view scope, std::string_view name);

/// Checks a map's keys against the table: unknown keys are errors with the nearest known one, refused keys errors with
/// the reason, ignored ones warnings. `x-` keys pass. What is honoured or rewritten is for the reader to look at, which
/// also looks itself at the keys that an operator can allow (`decided_elsewhere`).
void check_keys(const Node& map, std::string_view scope, Problems& problems,
                std::span<const std::string_view> decided_elsewhere = {});

}  // namespace tiltyard::templates
