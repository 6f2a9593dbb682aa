#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::transfers {

/// `tiltyard cp`.
void add_words(cli::Words& words);

}  // namespace tiltyard::transfers
