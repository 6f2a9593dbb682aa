#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/context.h"

namespace CLI {
class App;
}

namespace tiltyard::cli {

struct Words;

/// The command line's grammar, and what was asked for. The context must outlive it.
class Commands {
 public:
  explicit Commands(Context& context);
  ~Commands();

  /// Reads the words after the program's name and does what they say; the exit code.
  int run(const std::vector<std::string>& words);
  /// What may stand in place of the last of `words`: for the shells' completion.
  std::vector<std::string> complete(const std::vector<std::string>& words);

 private:
  std::unique_ptr<CLI::App> app_;
  std::unique_ptr<Words> words_;
};

/// The script that makes `shell` (bash or zsh) complete our commands.
std::string completion_script(const std::string& shell);

}  // namespace tiltyard::cli
