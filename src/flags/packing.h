#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "flags/placing.h"

namespace tiltyard::flags {

/// The files of the plan with one owner's texts, as one tar (pax) for each service, to be unpacked at "/" of its
/// machine: the way to an engine on another host. Names of one hard link stay one file; owner, mode, time and
/// capability are kept. Blocking. `flag-does-not-fit`, `flag-file-missing`.
Result<std::map<std::string, std::string>> pack_files(const Plan& plan, OwnTexts own);

}  // namespace tiltyard::flags
