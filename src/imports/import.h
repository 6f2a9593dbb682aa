#pragma once

#include <string>

#include "base/result.h"
#include "imports/build.h"
#include "imports/report.h"
#include "templates/capability.h"

namespace tiltyard::imports {

struct ImportOptions {
  std::string into;          ///< the folder of template folders
  bool dry = false;          ///< nothing is written
  bool replace = false;      ///< also what was changed by hand, and templates that came from elsewhere
  bool keep_broken = false;  ///< also writes what the templates' reader refuses
  Sizes sizes;
  templates::Options templates;  ///< what the site allows
};

/// Imports all challenges of a folder or a zip archive; what is there already changes only where the original has
/// changed. Each is written beside, and put in place at once when it is whole. The original is only read. Errors are of
/// the whole: `import-unreadable`, `archive-refused`, `import-busy`, `import-unwritable`.
Result<Report> import_challenges(const std::string& path, const ImportOptions& options);

}  // namespace tiltyard::imports
