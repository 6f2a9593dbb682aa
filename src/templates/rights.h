#pragma once

#include <vector>

#include "templates/model.h"

namespace tiltyard::templates {

/// For each machine whose Dockerfile makes a set-user-ID program or gives a file capability, whether that will work
/// (row 1.5): a note, or a warning with the line to write instead. Which programs an image really holds is known once
/// it was looked into; this needs no engine. Blocking: reads the Dockerfiles.
std::vector<Problem> lint_rights(const Template& tmpl);

}  // namespace tiltyard::templates
