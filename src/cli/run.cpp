#include "app/app.h"

#include <algorithm>

#include "cli/cli.h"
#include "cli/commands.h"

namespace tiltyard::cli {

int run(int argc, char** argv) {
  Context context;
  fill_from_process(context);
  context.serve = [](const std::string& config) { return app::serve(config); };
  Commands commands(context);
  std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
  if (words.empty()) words.emplace_back("--help");
  // Asked by the shells' completion scripts, with half a command line that the grammar would refuse.
  if (words.front() == "__complete") {
    words.erase(words.begin());
    for (const auto& word : commands.complete(words)) print(word + "\n");
    return kOk;
  }
  return commands.run(words);
}

}  // namespace tiltyard::cli
