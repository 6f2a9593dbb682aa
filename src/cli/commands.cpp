// The grammar of the command line: what all words have in common. The words are added by those who do them.
#include "cli/commands.h"

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "cli/words.h"

namespace tiltyard::cli {

namespace {

constexpr auto kFooter =
    R"(Who and where: TILTYARD_URL (default: what the configuration listens on, else http://127.0.0.1:8000)
and TILTYARD_TOKEN (default, on the server itself: its data/admin.token).
Exit codes: 0 done, 1 it did not work, 2 the command line is wrong, 3 there is no such thing,
4 no server answers. exec ends with its command's own code, or 124 when its time is over.)";

/// nullptr: there is none.
const CLI::App* word_in(const CLI::App& command, const std::string& name) {
  const auto found = command.get_subcommands([&](const CLI::App* each) { return each->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

/// The command that was being read, with all of its words.
std::string command_of(const CLI::App& app) {
  std::string words = app.get_name();
  for (const auto* word = &app; !word->get_subcommands().empty();) {
    word = word->get_subcommands().back();
    words += " " + word->get_name();
  }
  return words;
}

}  // namespace

namespace {

void add_completion(Words& words) {
  auto* word = words.add("completion", "Completion for a shell: source <(tiltyard completion bash)");
  auto shell = std::make_shared<std::string>();
  words.one_of(word->add_option("shell", *shell, "bash or zsh")->required()->type_name(""), {"bash", "zsh"});
  words.does(word, [shell] {
    print(completion_script(*shell));
    return kOk;
  });
}

}  // namespace

Commands::Commands(Context& context, const std::string& version, const std::function<void(Words&)>& declare)
    : app_(std::make_unique<CLI::App>("Tiltyard: machines from templates, one for each who asks", "tiltyard")),
      words_(std::make_unique<Words>(context, *app_)) {
  app_->fallthrough();
  app_->require_subcommand(1);
  app_->footer(kFooter);
  app_->set_version_flag("--version", version);
  app_->add_option("--config", context.config, "The server's configuration file")->type_name("FILE");
  app_->add_flag("--json", context.json, "Print JSON for programs");
  declare(*words_);
  words_->begin("the command line");
  add_completion(*words_);
  add_help();
}

void Commands::add_help() {
  auto* word = words_->add("help", "What a command is for and what it takes");
  auto names = std::make_shared<std::vector<std::string>>();
  word->add_option("command", *names, "The command's words; without any, all commands")->type_name("");
  words_->does(word, [this, names] {
    const CLI::App* found = app_.get();
    for (const auto& name : *names) {
      found = word_in(*found, name);
      if (found != nullptr) continue;
      note(fmt::format("tiltyard: there is no command \"{}\"", fmt::join(*names, " ")));
      note("See: tiltyard help");
      return static_cast<int>(kUsage);
    }
    auto asked = *names;
    asked.emplace_back("--help");
    return run(asked);
  });
}

const std::vector<std::string>& Commands::faults() const { return words_->faults(); }

Commands::~Commands() = default;

namespace {

/// The first word that stands where one of a command's own words should, and is none: what was that command, and it.
std::optional<std::pair<const CLI::App*, std::string>> unknown_word(const CLI::App& app,
                                                                    const std::vector<std::string>& words) {
  const CLI::App* at = &app;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word.starts_with('-')) {
      const auto* option = at->get_option_no_throw(word);
      if (option == nullptr) option = app.get_option_no_throw(word);
      if (option != nullptr && option->get_items_expected_max() > 0) ++i;
      continue;
    }
    if (at->get_subcommands([](const CLI::App*) { return true; }).empty()) return std::nullopt;
    const auto* next = word_in(*at, word);
    if (next == nullptr) return std::pair(at, word);
    at = next;
  }
  return std::nullopt;
}

/// What is wrong with a command line that cannot be read, in our words where the grammar's say little.
std::string wrong_with(const CLI::App& app, const std::vector<std::string>& words, const CLI::ParseError& error) {
  const auto unknown = unknown_word(app, words);
  const CLI::App* at = &app;
  if (unknown) at = unknown->first;
  else
    while (!at->get_subcommands().empty()) at = at->get_subcommands().back();
  std::vector<std::string> names;
  for (const auto* each : at->get_subcommands([](const CLI::App*) { return true; })) names.push_back(each->get_name());
  if (names.empty() || at->get_name().empty()) return error.what();
  if (unknown) {
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    const auto meant = nearest(unknown->second, candidates);
    return fmt::format("there is no command \"{}\" here{}", harmless(unknown->second),
                       meant.empty() ? std::string() : fmt::format("; do you mean \"{}\"?", meant));
  }
  if (at == &app || error.get_exit_code() != static_cast<int>(CLI::ExitCodes::RequiredError)) return error.what();
  return fmt::format("{} needs one of {}", at->get_name(), fmt::join(names, ", "));
}

/// What was given as an empty text: in scripts mostly a variable that was not set, and never what was meant. nullptr:
/// nothing.
const CLI::Option* given_empty(const CLI::App& app) {
  for (const CLI::App* word = &app;; word = word->get_subcommands().back()) {
    for (const auto* option : word->get_options()) {
      const auto& given = option->results();
      if (std::ranges::find(given, "") != given.end()) return option;
    }
    if (word->get_subcommands().empty()) return nullptr;
  }
}

}  // namespace

int Commands::run(const std::vector<std::string>& words) {
  if (!faults().empty()) {
    for (const auto& fault : faults()) note("tiltyard: " + fault);
    return kFailed;
  }
  words_->act = nullptr;
  auto ours = words;
  words_->cut_rest(ours);
  try {
    // CLI11 takes the words from the back.
    app_->parse(std::vector<std::string>(ours.rbegin(), ours.rend()));
  } catch (const CLI::Success& done) {
    app_->exit(done);
    return kOk;
  } catch (const CLI::ParseError& error) {
    note(fmt::format("tiltyard: {}", wrong_with(*app_, ours, error)));
    note(fmt::format("See: {} --help", command_of(*app_)));
    return kUsage;
  }
  if (const auto* option = given_empty(*app_)) {
    note(fmt::format("tiltyard: what is given as {} is empty", option->get_name()));
    note(fmt::format("See: {} --help", command_of(*app_)));
    return kUsage;
  }
  const auto act = words_->act;  // `help` reads words again
  return act();
}

namespace {

using Apps = std::vector<const CLI::App*>;

/// What may stand behind the option that was written last, or in place of a command's arguments.
std::vector<std::string> values_for(const Words& words, const Apps& apps, const std::string& before) {
  std::vector<std::string> out;
  const auto add = [&](const CLI::Option* option) {
    std::ranges::move(words.values_of(option), std::back_inserter(out));
  };
  for (const auto* app : before.starts_with('-') ? apps : Apps()) {
    const auto* option = app->get_option_no_throw(before);
    if (option == nullptr || option->get_items_expected_max() == 0) continue;
    add(option);
    return out;
  }
  for (const auto* option : apps.front()->get_options()) {
    if (option->get_positional()) add(option);
  }
  return out;
}

}  // namespace

std::vector<std::string> Commands::complete(const std::vector<std::string>& words) {
  const CLI::App* command = app_.get();
  const auto partial = words.empty() ? std::string() : words.back();
  const auto before = words.size() < 2 ? std::string() : words[words.size() - 2];
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "--") return {};
    if (const auto* sub = word_in(*command, words[i])) command = sub;
  }
  std::vector<std::string> out;
  if (partial.starts_with('-')) {
    for (const auto* from : {command, static_cast<const CLI::App*>(app_.get())}) {
      for (const auto* option : from->get_options()) {
        for (const auto& name : option->get_lnames()) out.push_back("--" + name);
      }
    }
  } else {
    for (const auto* sub : command->get_subcommands([](const CLI::App*) { return true; }))
      out.push_back(sub->get_name());
    std::ranges::move(values_for(*words_, {command, app_.get()}, before), std::back_inserter(out));
  }
  std::erase_if(out, [&](const std::string& word) { return !word.starts_with(partial); });
  std::ranges::sort(out);
  const auto twins = std::ranges::unique(out);
  out.erase(twins.begin(), twins.end());
  return out;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") {
    return R"sh(# bash completion for tiltyard; source <(tiltyard completion bash)
_tiltyard() {
  local IFS=$'\n'
  COMPREPLY=($(tiltyard __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _tiltyard tiltyard
)sh";
  }
  return R"sh(#compdef tiltyard
# zsh completion for tiltyard; source <(tiltyard completion zsh)
_tiltyard() {
  local -a found
  found=("${(@f)$(tiltyard __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -- $found; else _files; fi
}
compdef _tiltyard tiltyard
)sh";
}

}  // namespace tiltyard::cli
