#pragma once

#include <string>

#include "base/result.h"
#include "imports/build.h"

namespace tiltyard::imports {

/// Unpacks a zip archive into an empty folder. Refused, with the entry's name and with nothing to clean up but the
/// folder: absolute names and those with "..", names that differ by case only or are there twice, links that lead out,
/// devices, encryption, more than `sizes` says, and what grows to more than 200 times its size. `archive-refused`.
Result<> unpack(const std::string& archive, const std::string& folder, const Sizes& sizes);

}  // namespace tiltyard::imports
