#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/context.h"

namespace CLI {
class App;
}

namespace tiltyard::cli {

class Words;

/// The command line's grammar, and what was asked for. The context must outlive it.
class Commands {
 public:
  /// `declare` adds everybody's words; completion and help come by themselves.
  Commands(Context& context, const std::string& version, const std::function<void(Words&)>& declare);
  ~Commands();

  /// What two have declared; with any, no command does anything.
  const std::vector<std::string>& faults() const;

  /// Reads the words after the program's name and does what they say; the exit code.
  int run(const std::vector<std::string>& words);
  /// What may stand in place of the last of `words`: for the shells' completion.
  std::vector<std::string> complete(const std::vector<std::string>& words);

 private:
  void add_help();

  std::unique_ptr<CLI::App> app_;
  std::unique_ptr<Words> words_;
};

/// The script that makes `shell` (bash or zsh) complete our commands.
std::string completion_script(const std::string& shell);

}  // namespace tiltyard::cli
