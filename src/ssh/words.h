#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::ssh {

/// `tiltyard keys`.
void add_words(cli::Words& words);

}  // namespace tiltyard::ssh
