#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::snapshots {

/// snapshots.
void add_words(cli::Words& words);

}  // namespace tiltyard::snapshots
