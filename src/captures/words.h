#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::captures {

/// `capture` and `captures`.
void add_words(cli::Words& words);

}  // namespace tiltyard::captures
