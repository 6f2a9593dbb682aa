#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"

namespace tiltyard {

/// Removes what `name` is in the open folder `at`, with all that is in it, however deep and wide, over at most twenty
/// descriptors: what lies deeper is moved up into `at` under names of its own ("deep-…"), for which the caller calls
/// again. Links are removed, never followed, and another file system that is mounted in there is not entered. Blocking;
/// ends early, successfully, when `stop` is asked for. What is not there is success. `tree-stays`.
Result<> remove_tree(int at, const std::string& name, const std::stop_token& stop = {});

}  // namespace tiltyard
