// The grammar of the command line: what all words have in common. The words are added by the files that do them.
#include "cli/commands.h"

#include <fmt/core.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <array>

#include "cli/words.h"

namespace tiltyard::cli {

namespace {

constexpr auto kFooter =
    R"(Who and where: TILTYARD_URL (default: what the configuration listens on, else http://127.0.0.1:8000)
and TILTYARD_TOKEN (default, on the server itself: its data/admin.token).
Exit codes: 0 done, 1 it did not work, 2 the command line is wrong, 3 there is no such thing,
4 no server answers. exec ends with its command's own code.)";

/// The files of the command line, in the order in which --help lists their words.
constexpr std::array kFiles = {add_serve,  add_templates, add_instances, add_shell,  add_attack,    add_people,
                               add_doctor, add_config,    add_events,    add_routes, add_completion};

/// The ids of a list, or nothing when the server does not answer at once.
std::vector<std::string> ids_of(Context& context, const std::string& path) {
  Api::Call call;
  call.path = path;
  call.deadline = std::chrono::seconds{2};
  const auto list = context.api().call(std::move(call));
  std::vector<std::string> out;
  if (!list) return out;
  for (const auto& item : items_of(*list)) out.push_back(harmless(text_of(item, "id")));
  return out;
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

void Words::does(CLI::App* word, std::function<int()> work) {
  // The innermost word's callback is called first.
  word->callback([this, work = std::move(work)] {
    if (!act) act = work;
  });
}

void Words::one_of(CLI::Option* option, std::vector<std::string> choices) {
  option->check(CLI::IsMember(choices));
  values[option] = [choices = std::move(choices)] { return choices; };
}

void Words::one_of_list(CLI::Option* option, std::string path) {
  values[option] = [this, path = std::move(path)] { return ids_of(context, path); };
}

void Words::instance(CLI::App* word, std::string& id) {
  one_of_list(word->add_option("id", id, "The instance's id")->required()->type_name(""), kLivingInstances);
}

void add_serve(Words& words) {
  words.does(words.app.add_subcommand("serve", "Run the server"),
             [c = &words.context] { return c->serve(config_path(*c)); });
}

void add_completion(Words& words) {
  auto* word = words.app.add_subcommand("completion", "Completion for a shell: source <(tiltyard completion bash)");
  auto shell = std::make_shared<std::string>();
  words.one_of(word->add_option("shell", *shell, "bash or zsh")->required()->type_name(""), {"bash", "zsh"});
  words.does(word, [shell] {
    print(completion_script(*shell));
    return kOk;
  });
}

Commands::Commands(Context& context)
    : app_(std::make_unique<CLI::App>("Tiltyard: machines from templates, one for each who asks", "tiltyard")),
      words_(std::make_unique<Words>(context, *app_)) {
  app_->fallthrough();
  app_->require_subcommand(1);
  app_->footer(kFooter);
  app_->set_version_flag("--version", TILTYARD_VERSION);
  app_->add_option("--config", context.config, "The server's configuration file")->type_name("FILE");
  app_->add_flag("--json", context.json, "Print JSON for programs");
  for (const auto add : kFiles) add(*words_);
}

Commands::~Commands() = default;

int Commands::run(const std::vector<std::string>& words) {
  words_->act = nullptr;
  try {
    // CLI11 takes the words from the back.
    app_->parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Success& done) {
    app_->exit(done);
    return kOk;
  } catch (const CLI::ParseError& error) {
    note(fmt::format("tiltyard: {}", error.what()));
    note(fmt::format("See: {} --help", command_of(*app_)));
    return kUsage;
  }
  return words_->act();
}

namespace {

using Apps = std::vector<const CLI::App*>;

/// What may stand behind the option that was written last, or in place of a command's arguments.
std::vector<std::string> values_for(const Words& words, const Apps& apps, const std::string& before) {
  std::vector<std::string> out;
  const auto add = [&](const CLI::Option* option) {
    const auto found = words.values.find(option);
    if (found != words.values.end()) std::ranges::move(found->second(), std::back_inserter(out));
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
    for (const auto* sub : command->get_subcommands([&](const CLI::App* each) { return each->get_name() == words[i]; }))
      command = sub;
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
