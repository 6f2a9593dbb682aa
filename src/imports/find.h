#pragma once

#include <vector>

#include "imports/draft.h"
#include "imports/origin.h"

namespace tiltyard::imports {

/// All challenges of a folder, however deep (eight folders) and in whatever formats, by source. What is about no single
/// one of them goes to `notes`.
std::vector<Draft> find_challenges(const Origin& origin, std::vector<Note>& notes);

}  // namespace tiltyard::imports
