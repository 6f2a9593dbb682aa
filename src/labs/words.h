#pragma once

#include <string>

namespace CLI {
class App;
}
namespace tiltyard::cli {
class Words;
}

/// The words of the command line that are about instances.
namespace tiltyard::labs {

/// The ids that live, as the server lists them.
inline constexpr auto kLivingInstances = "/instances?state=queued,preparing,starting,running,paused,stopping";

/// The argument "id" of a word that is about one living instance.
void take_instance(cli::Words& words, CLI::App* word, std::string& id);

void add_instances(cli::Words& words);
void add_shell(cli::Words& words);
void add_usage(cli::Words& words);

}  // namespace tiltyard::labs
