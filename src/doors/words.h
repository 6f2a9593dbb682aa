#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::doors {

/// door, share, shares, unshare
void add_words(cli::Words& words);

}  // namespace tiltyard::doors
