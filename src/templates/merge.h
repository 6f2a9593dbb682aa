#pragma once

#include "templates/yaml_tree.h"

namespace tiltyard::templates {

/// Lays one service over another by the Compose specification's merge rules
/// (https://docs.docker.com/reference/compose-file/merge/): maps are merged, lists appended; commands and texts
/// replaced; environment, labels and the like merged by name whichever way they are written; volumes, tmpfs,
/// configs and secrets by their target. `!reset` removes, `!override` replaces.
Node merge_service(Node base, Node over);
/// The same for an entry of any section: "services", "networks", …
Node merge_part(std::string_view section, Node base, Node over);
/// The same for whole files.
Node merge_files(Node base, Node over);
/// Takes out what `!reset` marks.
void drop_resets(Node& node);

/// "K=V" lists as maps; maps as they are; anything else stays for the reader to complain about.
Node as_pairs(Node node, char separator = '=');

}  // namespace tiltyard::templates
