#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::ports {

/// `tiltyard ports`.
void add_words(cli::Words& words);

}  // namespace tiltyard::ports
