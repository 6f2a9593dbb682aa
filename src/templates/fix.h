#pragma once

#include <string>
#include <vector>

#include "templates/model.h"
#include "templates/reader.h"

namespace tiltyard::templates {

/// One line that was written.
struct Fixed {
  std::string file;  ///< relative to the template's folder
  int line = 0;      ///< from 1, as the file was before
  std::string what;
};

struct FixedFolder {
  Template read;  ///< as the folder is now
  std::vector<Fixed> fixed;
  std::vector<std::string> failed;  ///< why a file was left as it was
};

/// Reads the folder and carries out the fixes of its problems, each file written whole or not at all. Only regular
/// files inside the folder are written, and a line that is not what the fix expects is left alone. When the folder has
/// more errors than before all files get back what was in them.
FixedFolder fix_folder(const std::string& folder, const Options& options);

}  // namespace tiltyard::templates
