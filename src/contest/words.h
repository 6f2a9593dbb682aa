#pragma once

namespace tiltyard::cli {
class Words;
}

namespace tiltyard::contest {

void add_words(cli::Words& words);

}  // namespace tiltyard::contest
