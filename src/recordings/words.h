#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::recordings {

/// recordings.
void add_words(cli::Words& words);

}  // namespace tiltyard::recordings
