#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "farm/model.h"

namespace tiltyard::farm {

/// Flags as they came in a body. They view the body where they can, and `unescaped` where a text had escapes in it; so
/// the body must stay where it is.
struct PostedFlags {
  std::vector<NewFlag> flags;
  std::deque<std::string> unescaped;
};

/// Reads `[flag, …]` or `{"flags": [flag, …]}`, where a flag is an object with "flag" and perhaps "sploit", "team" and
/// "service", or only its text. What else stands in the objects is passed over. One pass, nothing is built but the
/// list. `invalid-body` says what is wrong and with which flag; `too-many-flags` over `most`.
Result<PostedFlags> read_post(std::string_view body, std::size_t most);

}  // namespace tiltyard::farm
