#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "flags/placing.h"

namespace tiltyard::flags {

/// Files of the plan with one owner's texts, as one tar (pax) for each service, to be unpacked at "/" of its machine:
/// those that belong in its layer, or all for an engine on another host. Names of one hard link stay one file; owner,
/// mode, time and capability are kept. Blocking. `flag-does-not-fit`, `flag-file-missing`.
enum class Pack { kLayer, kAll };
Result<std::map<std::string, std::string>> pack_files(const Plan& plan, OwnTexts own, Pack which = Pack::kAll);

}  // namespace tiltyard::flags
