#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/context.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tiltyard::cli {

/// The command line's grammar while it is made: each file of cli/ adds its words, with the options that they fill in.
struct Words {
  Context& context;
  CLI::App& app;
  std::function<int()> act;  ///< what the innermost word that was named does
  /// What may stand for an argument or behind an option: for the shells' completion.
  std::map<const CLI::Option*, std::function<std::vector<std::string>()>> values;

  /// What `word` does when it is the last one that was named.
  void does(CLI::App* word, std::function<int()> work);
  /// The option takes one of these and nothing else.
  void one_of(CLI::Option* option, std::vector<std::string> choices);
  /// The option takes an id of the server's list at `path`.
  void one_of_list(CLI::Option* option, std::string path);
  /// The argument "id" of a word that is about one living instance.
  void instance(CLI::App* word, std::string& id);
};

/// The ids that live, as the server lists them.
inline constexpr auto kLivingInstances = "/instances?state=queued,preparing,starting,running,paused,stopping";

// What each file adds.
void add_serve(Words& words);
void add_templates(Words& words);
void add_instances(Words& words);
void add_shell(Words& words);
void add_attack(Words& words);
void add_people(Words& words);
void add_doctor(Words& words);
void add_config(Words& words);
void add_events(Words& words);
void add_routes(Words& words);
void add_completion(Words& words);

}  // namespace tiltyard::cli
