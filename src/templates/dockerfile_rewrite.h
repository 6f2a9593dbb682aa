#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/spec.h"

namespace tiltyard::templates {

/// Says a Dockerfile in the words that an engine's own front end knows: `syntax` as in `BuildNeed`, 0: the classic
/// builder. The `# syntax` line goes, for it would fetch another front end from a registry; `--link` goes, and
/// here-documents become files beside the context or commands as lists, where they are too new. What is copied from the
/// context is then taken from the folder `spec.below`, so that nothing else that is sent can be copied by chance. Lines
/// keep their numbers. Fills in `dockerfile_text`, `below`, `texts` and `buildkit`, and takes out what arguments would
/// say to BuildKit itself. `text` is one in which `read_dockerfile` found no fault and no need whose `least` is above
/// `syntax`.
void rewrite_dockerfile(std::string_view text, int syntax, engine::BuildSpec& spec);

}  // namespace tiltyard::templates
