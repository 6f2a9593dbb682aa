// exec and logs.
#include <fmt/core.h>
#include <unistd.h>
#include <boost/json/array.hpp>

#include "cli/context.h"

namespace tiltyard::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::hours kCommandMayTake{1};

}  // namespace

int exec(Context& context, ExecOptions options) {
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
    print(text_of(*done, "stdout"));
    const auto errors = text_of(*done, "stderr");
    if (!errors.empty()) fmt::print(stderr, "{}", errors);
  }
  // A shell's own range: what ended by a signal is over 128 already.
  return static_cast<int>(number_of(*done, "exit_code") & 0xff);
}

int logs(Context& context, LogsOptions options) {
  auto path =
      fmt::format("/instances/{}/logs?tail={}&follow={}", encoded(options.id), options.tail, options.follow ? 1 : 0);
  if (!options.machine.empty()) path += "&machine=" + encoded(options.machine);
  const auto done = context.api().stream(path, [](std::string_view piece) { print(piece); });
  if (!done) return complain(context, done.error());
  return kOk;
}

}  // namespace tiltyard::cli
