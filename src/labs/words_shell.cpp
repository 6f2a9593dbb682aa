// exec and logs.
#include <fmt/core.h>
#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "base/utf8.h"
#include "cli/words.h"
#include "labs/exec_line.h"
#include "labs/words.h"

namespace tiltyard::labs {
namespace {

using namespace cli;
namespace json = boost::json;

constexpr std::size_t kMostKept = 256 * 1024;  // bytes of output in one JSON object
constexpr int kOutOfTime = 124;                // as timeout(1) says it
constexpr std::int64_t kLongestTime = 24 * 3600;

struct LogsOptions {
  std::string id, machine;
  int tail = 200;
  bool follow = false, raw = false;
};

struct ExecOptions {
  std::string id, machine, timeout;
  bool terminal = false, no_terminal = false, no_input = false, raw = false;
  std::vector<std::string> command;
};

/// How to ask for it, or why it makes no sense.
Result<ExecCall> call_of(const Context& context, const ExecOptions& options) {
  const auto senseless = [](std::string what) { return fail(Code::kInvalid, reason::kUsage, std::move(what)); };
  const bool terminals = context.in_is_terminal && context.out_is_terminal;
  ExecCall out;
  out.terminal = terminals && !options.no_terminal && !options.no_input && !context.json;
  if (options.terminal && !out.terminal)
    return senseless("exec -t needs a terminal; without one: tiltyard exec ID -- CMD…");
  if (options.command.empty() && !out.terminal)
    return senseless("exec needs a command: tiltyard exec ID -- CMD…, or a terminal: tiltyard exec -t ID");
  out.path = fmt::format("/instances/{}/exec?machine={}", encoded(options.id), encoded(options.machine));
  if (out.terminal) {
    const auto [columns, rows] = columns_and_rows_here();
    out.path += fmt::format("&cols={}&rows={}", columns, rows);
  }
  json::array words;
  for (const auto& word : options.command) {
    if (!is_utf8(word)) return senseless("A word of the command is not UTF-8, and engines take nothing else.");
    words.emplace_back(word);
  }
  if (!words.empty()) out.first["command"] = std::move(words);
  if (!options.timeout.empty()) {
    const auto seconds = parse_seconds(options.timeout);
    if (seconds < 1 || seconds > kLongestTime)
      return senseless("--timeout is a time from 1s to 24h, such as 90s or 15m.");
    out.first["time_limit"] = seconds;
  }
  out.input = !options.no_input;
  out.first["input"] = out.input;
  out.keep = context.json;
  if (out.keep) out.first["output_limit"] = kMostKept;
  out.tame_output = context.out_is_terminal && !out.terminal && !options.raw;
  out.tame_errors = context.error_is_terminal && !out.terminal && !options.raw;
  return out;
}

/// As the API answers a command without a stream, with the same flags.
json::object answer_of(const ExecEnd& end) {
  json::object out{{"stdout", as_utf8(end.output)},
                   {"stderr", as_utf8(end.errors)},
                   {"exit_code", end.exit_code},
                   {"stopped_by", end.stopped_by.empty() ? json::value() : json::value(end.stopped_by)}};
  if (end.stopped_by == "output-limit") out["truncated"] = true;
  json::array not_utf8;
  if (!is_utf8(end.output)) not_utf8.emplace_back("stdout");
  if (!is_utf8(end.errors)) not_utf8.emplace_back("stderr");
  if (!not_utf8.empty()) out["not_utf8"] = std::move(not_utf8);
  return out;
}

std::string why_stopped(const ExecEnd& end, const ExecOptions& options) {
  if (end.stopped_by == "time-limit")
    return fmt::format("the command was ended after {}, which is its time limit (--timeout, up to 24h)",
                       options.timeout.empty() ? "1h" : options.timeout);
  if (end.stopped_by == "output-limit")
    return "the command was ended: it said more than 256 KiB, which is the most for --json; without --json there is "
           "no such limit";
  return fmt::format("this may not be all: how the command ended is not known ({})", end.stopped_by);
}

int exec(Context& context, const ExecOptions& options) {
  auto call = call_of(context, options);
  if (!call) return complain(context, call.error());
  const auto end = run_command(context, std::move(*call));
  if (!end && end.error().reason == kCommandLost) {
    note("tiltyard: " + end.error().message);
    return kServerAway;
  }
  if (!end) return complain(context, end.error());
  if (end->left) return kOk;
  if (context.json) print_json(answer_of(*end));
  if (!end->stopped_by.empty()) note("tiltyard: " + why_stopped(*end, options));
  if (end->stopped_by == "time-limit") return kOutOfTime;
  if (end->exit_code < 0) return kFailed;
  // A shell at which somebody typed ends with whatever came last in it.
  if (options.command.empty()) return kOk;
  // A shell's own range: what ended by a signal is over 128 already.
  return end->exit_code & 0xff;
}

int logs(Context& context, const LogsOptions& options) {
  auto path =
      fmt::format("/instances/{}/logs?tail={}&follow={}", encoded(options.id), options.tail, options.follow ? 1 : 0);
  if (!options.machine.empty()) path += "&machine=" + encoded(options.machine);
  Tamed tamed;
  std::string line;  // for programs: what of one has come
  const bool tame = context.out_is_terminal && !options.raw;
  const auto print_line = [&] { print_json(json::object{{"line", as_utf8(std::exchange(line, {}))}}); };
  const auto done = context.api().stream(path, [&](std::string_view piece) {
    if (!context.json) return print(tame ? tamed.take(piece) : std::string(piece));
    for (const char c : piece) {
      if (c == '\n') print_line();
      else line += c;
    }
  });
  print(tamed.rest());
  if (!line.empty()) print_line();
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
  words.takes_rest(exec_word, e->command);
  exec_word->add_option("--machine", e->machine, "Which machine; without it the first")->type_name("NAME");
  exec_word->add_flag("-t,--terminal", e->terminal,
                      "A terminal (its shell, or with a command that), as between two terminals anyway; Ctrl-] leaves");
  exec_word->add_flag("-T,--no-terminal", e->no_terminal, "No terminal, although both ends are one");
  exec_word->add_flag("-n,--no-stdin", e->no_input, "The command gets no input, and what is piped in stays unread");
  exec_word->add_option("--timeout", e->timeout, "End it after this time, such as 90s, with exit code 124 (1h)")
      ->type_name("TIME");
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
