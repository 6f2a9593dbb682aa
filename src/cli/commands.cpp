// The grammar of the command line: which words there are, and what they call.
#include "cli/commands.h"

#include <fmt/core.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <array>

#include "cli/attack.h"

namespace tiltyard::cli {

/// The values that the options and arguments of all commands fill in, and the command itself.
struct Commands::Asked {
  std::function<int()> act;
  SpawnOptions spawn;
  ListOptions list;
  ExecOptions exec;
  LogsOptions logs;
  UserOptions user;
  AttackOptions attack;
  std::string id, path, name, lives, shell;
  std::string by = "cost_centre", from, to;
  std::vector<std::string> ids;
  bool wait = false, markdown = false;
};

namespace {

constexpr auto kFooter =
    R"(Who and where: TILTYARD_URL (default: what the configuration listens on, else http://127.0.0.1:8000)
and TILTYARD_TOKEN (default, on the server itself: its data/admin.token).
Exit codes: 0 done, 1 it did not work, 2 the command line is wrong, 3 there is no such thing,
4 no server answers. exec ends with its command's own code.)";

constexpr auto kAttackFooter =
    R"(The address comes first among the program's arguments, or where they say {host}; {team} and {ids} (flag ids as JSON) are
replaced too. Its environment has TILTYARD_TEAM, TILTYARD_HOST, TILTYARD_ROUND, TILTYARD_FLAG_IDS and TILTYARD_FLAG_IDS_FILE.
The farm's token: --token-file, or TILTYARD_FARM_TOKEN. Ctrl-C sends what was found; what cannot be sent stays on disk.)";

/// tiltyard attack SPLOIT: what it takes.
void add_attack(CLI::App& app, AttackOptions& options) {
  app.add_option("sploit", options.sploit, "Any program; it is given a team's address and prints flags")
      ->required()
      ->type_name("");
  app.add_option("arguments", options.arguments, "Its arguments, after --")->type_name("");
  app.add_option("-u,--farm", options.farm, "The farm's address (default: TILTYARD_URL)")->type_name("URL");
  app.add_option("--token-file", options.token_file, "A file with the farm's token")->type_name("FILE");
  app.add_option("-a,--name", options.name, "The sploit's name in the farm (default: the file's)")->type_name("NAME");
  app.add_option("--interpreter", options.interpreter, "What to run it with, where it is not executable")
      ->type_name("PROGRAM");
  app.add_option("--pool", options.pool, "How many at a time")->check(CLI::Range(1, 10'000))->type_name("N");
  app.add_option("--period", options.period, "Seconds from one round to the next")
      ->check(CLI::Range(0.1, 86'400.0))
      ->type_name("S");
  app.add_option("--timeout", options.timeout, "Seconds for one program (default: what fits into the period)")
      ->check(CLI::Range(0.0, 86'400.0))
      ->type_name("S");
  app.add_option("--rounds", options.rounds, "End after so many (default: Ctrl-C)")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  app.add_option("-v,--verbose", options.verbose, "Show the output of the first N rounds")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N");
  app.add_option("--memory", options.memory, "Address space for each of its processes: 512MB, 2GB (default: no limit)")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("SIZE");
  app.add_option("--state", options.state,
                 "Where what is not yet sent is kept (default: ~/.local/state/tiltyard/attack)")
      ->type_name("FOLDER");
  auto* all = app.add_flag("--all,--not-per-team", options.all, "One program for all teams instead of one for each");
  app.add_option("--distribute", options.distribute, "Only part K of N of the teams, as start_sploit.py divides them")
      ->type_name("K/N")
      ->excludes(all);
  app.add_flag("-e,--endless", options.endless, "Programs run for ever; what ends is started again");
  app.footer(kAttackFooter);
}

}  // namespace

Commands::Commands(Context& context)
    : context_(context),
      asked_(std::make_unique<Asked>()),
      app_(std::make_unique<CLI::App>("Tiltyard: machines from templates, one for each who asks", "tiltyard")) {
  auto& app = *app_;
  auto* a = asked_.get();
  auto* c = &context_;
  app.fallthrough();
  app.require_subcommand(1);
  app.footer(kFooter);
  app.set_version_flag("--version", TILTYARD_VERSION);
  app.add_option("--config", c->config, "The server's configuration file")->type_name("FILE");
  app.add_flag("--json", c->json, "Print JSON for programs");

  // `act` is set by the innermost command that was named.
  const auto does = [a](CLI::App* command, std::function<int()> act) {
    command->callback([a, act = std::move(act)] { a->act = act; });
  };
  const auto with_id = [a](CLI::App* command) {
    command->add_option("id", a->id, "The instance's id")->required()->type_name("");
  };

  auto* serve = app.add_subcommand("serve", "Run the server");
  does(serve, [c] { return c->serve(config_path(*c)); });

  auto* templates = app.add_subcommand("templates", "What can be started");
  templates->require_subcommand(0, 1);
  auto* lint = templates->add_subcommand("lint", "Check template folders without a server");
  lint->add_option("path", a->path, "A template's folder, or the folder that has them")->required()->type_name("");
  templates->callback([a, c, lint] {
    a->act = lint->parsed() ? std::function<int()>([a, c] { return lint_templates(*c, a->path); })
                            : [c] { return list_templates(*c); };
  });

  auto* spawn_command = app.add_subcommand("spawn", "Start an instance of a template");
  spawn_command->add_option("template", a->spawn.tmpl, "The template's id")->required()->type_name("");
  spawn_command->add_flag("--wait", a->spawn.wait, "Wait until it runs or has failed");
  spawn_command->add_option("--context", a->spawn.context, "Several instances of one template differ by this")
      ->type_name("TEXT");
  does(spawn_command, [a, c] { return spawn(*c, a->spawn); });

  auto* ls = app.add_subcommand("ls", "Instances that live");
  ls->add_flag("--all", a->list.everybody, "Everybody's, not only mine (operators)");
  ls->add_flag("--ended", a->list.ended, "Also those that have ended");
  does(ls, [a, c] { return list_instances(*c, a->list); });

  auto* show = app.add_subcommand("show", "Everything on one instance");
  with_id(show);
  does(show, [a, c] { return show_instance(*c, a->id); });

  auto* extend = app.add_subcommand("extend", "Add time to an instance's lease");
  with_id(extend);
  does(extend, [a, c] { return extend_instance(*c, a->id); });

  auto* stop = app.add_subcommand("stop", "Stop instances; their machines and files are destroyed");
  stop->add_option("id", a->ids, "The instances' ids")->required()->type_name("");
  stop->add_flag("--wait", a->wait, "Wait until nothing is left of them");
  does(stop, [a, c] { return stop_instances(*c, a->ids, a->wait); });

  auto* exec_command = app.add_subcommand("exec", "Run a command in a machine: tiltyard exec ID -- CMD…");
  exec_command->add_option("id", a->exec.id, "The instance's id")->required()->type_name("");
  exec_command->add_option("command", a->exec.command, "The command, after --")->type_name("");
  exec_command->add_option("--machine", a->exec.machine, "Which machine; without it the first")->type_name("NAME");
  exec_command->add_flag("-t,--terminal", a->exec.terminal,
                         "A terminal (its shell, or with a command that); Ctrl-] leaves");
  does(exec_command, [a, c] { return exec(*c, a->exec); });

  auto* logs_command = app.add_subcommand("logs", "What a machine has written");
  logs_command->add_option("id", a->logs.id, "The instance's id")->required()->type_name("");
  logs_command->add_option("--machine", a->logs.machine, "Which machine; without it the first")->type_name("NAME");
  logs_command->add_option("--tail", a->logs.tail, "How many of the last lines")
      ->check(CLI::Range(0, 10000))
      ->type_name("N");
  logs_command->add_flag("-f,--follow", a->logs.follow, "Go on with what comes");
  does(logs_command, [a, c] { return logs(*c, a->logs); });

  auto* attack_command =
      app.add_subcommand("attack", "Run an exploit against all teams and hand its flags to the farm");
  add_attack(*attack_command, a->attack);
  does(attack_command, [a, c] { return attack(*c, a->attack); });

  auto* users = app.add_subcommand("users", "Who can sign in (admins)");
  users->require_subcommand(1);
  auto* add = users->add_subcommand("add", "Make a user; without a password it prints a one-time link");
  add->add_option("name", a->user.name, "The name to sign in with")->required()->type_name("");
  add->add_option("--role", a->user.role, "player, author, operator or admin")
      ->check(CLI::IsMember({"player", "author", "operator", "admin"}))
      ->type_name("ROLE");
  add->add_option("--team", a->user.team, "The team's name; made when it is new")->type_name("NAME");
  add->add_flag("--password-stdin", a->user.password_from_input, "Read the password from standard input");
  does(add, [a, c] { return add_user(*c, a->user); });
  does(users->add_subcommand("ls", "Everybody"), [c] { return list_users(*c); });

  auto* token = app.add_subcommand("token", "My API tokens");
  token->require_subcommand(1);
  auto* create = token->add_subcommand("create", "Make one; it is shown once");
  create->add_option("name", a->name, "What it is for")->required()->type_name("");
  create->add_option("--expires", a->lives, "When it stops working: 90s, 15m, 2h, 30d")->type_name("TIME");
  does(create, [a, c] { return create_token(*c, a->name, a->lives); });
  does(token->add_subcommand("ls", "All of mine"), [c] { return list_tokens(*c); });
  auto* revoke = token->add_subcommand("revoke", "End one at once");
  revoke->add_option("id", a->id, "The token's id")->required()->type_name("");
  does(revoke, [a, c] { return revoke_token(*c, a->id); });

  does(app.add_subcommand("whoami", "Who I am to the server"), [c] { return whoami(*c); });

  auto* usage_command = app.add_subcommand("usage", "What was used (operators)");
  usage_command->add_option("--by", a->by, "cost_centre, template or owner")
      ->check(CLI::IsMember({"cost_centre", "template", "owner"}))
      ->type_name("KEY");
  usage_command->add_option("--from", a->from, "Start, as 2026-01-31T00:00:00Z")->type_name("TIME");
  usage_command->add_option("--to", a->to, "End, exclusive")->type_name("TIME");
  does(usage_command, [a, c] { return usage(*c, a->by, a->from, a->to); });

  does(app.add_subcommand("doctor", "Check what the server needs"), [c] { return doctor(*c); });

  auto* config = app.add_subcommand("config", "The configuration");
  config->require_subcommand(1);
  auto* schema = config->add_subcommand("schema", "Every key, its default and its values");
  schema->add_flag("--markdown", a->markdown, "As the page of the documentation");
  does(schema, [a, c] { return config_schema(*c, a->markdown); });
  does(config->add_subcommand("check", "Whether the file is good"), [c] { return config_check(*c); });
  does(config->add_subcommand("example", "A file to begin with"), [c] { return config_example(*c); });

  auto* completion = app.add_subcommand("completion", "Completion for a shell: source <(tiltyard completion bash)");
  completion->add_option("shell", a->shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}))
      ->type_name("");
  does(completion, [a] {
    print(completion_script(a->shell));
    return kOk;
  });
}

Commands::~Commands() = default;

int Commands::run(const std::vector<std::string>& words) {
  try {
    // CLI11 takes the words from the back.
    app_->parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Success& done) {
    app_->exit(done);
    return kOk;
  } catch (const CLI::ParseError& error) {
    const auto* command = app_.get();
    while (!command->get_subcommands().empty()) command = command->get_subcommands().back();
    const auto name = command == app_.get() ? std::string("tiltyard") : "tiltyard " + command->get_name();
    note(fmt::format("tiltyard: {}", error.what()));
    note(fmt::format("See: {} --help", name));
    return kUsage;
  }
  return asked_->act();
}

namespace {

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

std::vector<std::string> arguments_of(Context& context, const std::string& command) {
  constexpr std::array<std::string_view, 5> kTakeAnInstance = {"show", "extend", "stop", "exec", "logs"};
  if (command == "spawn") return ids_of(context, "/templates");
  if (command == "revoke") return ids_of(context, "/me/tokens");
  if (command == "completion") return {"bash", "zsh"};
  if (std::ranges::find(kTakeAnInstance, command) != kTakeAnInstance.end()) {
    return ids_of(context, "/instances?state=queued,preparing,starting,running,paused,stopping");
  }
  return {};
}

}  // namespace

std::vector<std::string> Commands::complete(const std::vector<std::string>& words) {
  const CLI::App* command = app_.get();
  const auto partial = words.empty() ? std::string() : words.back();
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
    if (command != app_.get()) std::ranges::move(arguments_of(context_, command->get_name()), std::back_inserter(out));
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
