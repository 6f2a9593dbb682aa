// exec and logs.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "cli/words.h"
#include "labs/terminal.h"
#include "labs/words.h"

namespace tiltyard::labs {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr std::chrono::hours kCommandMayTake{1};

struct LogsOptions {
  std::string id, machine;
  int tail = 200;
  bool follow = false, raw = false;
};

/// A machine is its player's: on a terminal, which obeys what it is shown, its words are made harmless.
std::string for_screen(std::string_view text, bool on_terminal, bool raw) {
  if (!on_terminal || raw) return std::string(text);
  Tamed tamed;
  const std::string out = tamed.take(text);
  return out + tamed.rest();
}

int exec(Context& context, const ExecOptions& options) {
  if (options.terminal) return open_terminal(context, options);
  if (options.command.empty()) {
    note("tiltyard: exec needs a command: tiltyard exec ID -- CMD…, or a terminal: tiltyard exec -t ID");
    return kUsage;
  }
  json::object body;
  if (!options.machine.empty()) body["machine"] = options.machine;
  json::array words;
  for (const auto& word : options.command) words.emplace_back(word);
  body["command"] = std::move(words);
  Api::Call call;
  call.method = "POST";
  call.path = fmt::format("/instances/{}/exec", encoded(options.id));
  call.body = json::value(std::move(body));
  call.deadline = kCommandMayTake;
  const auto done = context.api().call(std::move(call));
  if (!done) return complain(context, done.error());
  if (context.json) {
    print_json(*done);
  } else {
    print(for_screen(text_of(*done, "stdout"), context.out_is_terminal, options.raw));
    const auto errors = for_screen(text_of(*done, "stderr"), context.error_is_terminal, options.raw);
    if (!errors.empty()) fmt::print(stderr, "{}", errors);
    const auto stopped = text_of(*done, "stopped_by");
    if (!stopped.empty()) note("tiltyard: this is not all: the command was stopped (" + stopped + ")");
  }
  // A shell's own range: what ended by a signal is over 128 already.
  return static_cast<int>(number_of(*done, "exit_code") & 0xff);
}

int logs(Context& context, const LogsOptions& options) {
  auto path =
      fmt::format("/instances/{}/logs?tail={}&follow={}", encoded(options.id), options.tail, options.follow ? 1 : 0);
  if (!options.machine.empty()) path += "&machine=" + encoded(options.machine);
  Tamed tamed;
  const bool tame = context.out_is_terminal && !options.raw;
  const auto done = context.api().stream(path, [&](std::string_view piece) {
    if (tame) print(tamed.take(piece));
    else print(piece);
  });
  print(tamed.rest());
  if (!done) return complain(context, done.error());
  return kOk;
}

}  // namespace

void add_shell(Words& words) {
  auto* c = &words.context;
  auto* exec_word = words.add("exec", "Run a command in a machine: tiltyard exec ID -- CMD…");
  auto e = std::make_shared<ExecOptions>();
  take_instance(words, exec_word, e->id);
  exec_word->add_option("command", e->command, "The command, after --")->type_name("");
  exec_word->add_option("--machine", e->machine, "Which machine; without it the first")->type_name("NAME");
  exec_word->add_flag("-t,--terminal", e->terminal, "A terminal (its shell, or with a command that); Ctrl-] leaves");
  exec_word->add_flag("--raw", e->raw, "To a terminal, too, exactly what the machine says, which may command it");
  words.does(exec_word, [c, e] { return exec(*c, *e); });

  auto* logs_word = words.add("logs", "What a machine has written");
  auto l = std::make_shared<LogsOptions>();
  take_instance(words, logs_word, l->id);
  logs_word->add_option("--machine", l->machine, "Which machine; without it the first")->type_name("NAME");
  logs_word->add_option("--tail", l->tail, "How many of the last lines")->check(CLI::Range(0, 10000))->type_name("N");
  logs_word->add_flag("-f,--follow", l->follow, "Go on with what comes");
  logs_word->add_flag("--raw", l->raw, "To a terminal, too, exactly what the machine says, which may command it");
  words.does(logs_word, [c, l] { return logs(*c, *l); });
}

}  // namespace tiltyard::labs
