#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/context.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tiltyard::cli {

/// The command line's grammar while it is made: whoever has words adds them, with their help, the options that they
/// fill in and what they do. --help lists them in the order in which they were added. What a word's work refers to must
/// outlive the command line.
class Words {
 public:
  Words(Context& its_context, CLI::App& app);
  ~Words();
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  Context& context;

  /// What is added from here on belongs to this part of the house.
  void begin(std::string_view owner) { owner_ = owner; }
  /// A word of its own: `tiltyard NAME`. One that there is already is noted in `faults`, and nothing is done then.
  CLI::App* add(const std::string& name, const std::string& help);
  /// What `word` does when it is the last one that was named.
  void does(CLI::App* word, std::function<int()> work);
  /// What stands behind the first "--" goes into `rest`, word by word as it came: the grammar, which knows lists in
  /// brackets, empty words and more of its own, does not see it.
  void takes_rest(CLI::App* word, std::vector<std::string>& rest);
  /// Takes these words off the end of a command line, for the word that it names; nothing where it names none that
  /// takes a rest.
  void cut_rest(std::vector<std::string>& words) const;
  /// The option takes one of these and nothing else.
  void one_of(CLI::Option* option, std::vector<std::string> choices);
  /// The option takes what a path of the API can end with: what would lead to another place is refused.
  void one_thing(CLI::Option* option);
  /// The option takes an id of the server's list at `path`.
  void one_of_list(CLI::Option* option, std::string path);
  /// What to type next after an error of this reason; `{name}` stands for the error's field of that name.
  void advise(std::string_view reason, std::string text);

  /// What two have declared.
  const std::vector<std::string>& faults() const { return faults_; }
  /// What the innermost word that was named does; empty: none was.
  std::function<int()> act;
  /// What may stand for an argument or behind an option: for the shells' completion.
  std::vector<std::string> values_of(const CLI::Option* option) const;

 private:
  CLI::App& app_;
  std::string owner_;
  std::map<std::string, std::string> owners_;  ///< of words, by name
  std::vector<std::string> faults_;
  std::map<std::string, std::vector<std::string>*> rests_;  ///< by the word's name
  std::vector<std::unique_ptr<CLI::App>> refused_;          ///< so that who adds one can go on
  std::map<const CLI::Option*, std::function<std::vector<std::string>()>> values_;
};

}  // namespace tiltyard::cli
