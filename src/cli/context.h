#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/terminal_text.h"

namespace tiltyard::cli {

/// What a command works with. `environment` and the flags come from main(); tests make their own.
struct Context {
  std::map<std::string, std::string> environment;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool error_is_terminal = false;
  bool colours = false;  ///< a terminal, and NO_COLOR is not set (https://no-color.org)
  std::string config;    ///< --config; empty: see config_path()
  bool json = false;
  SystemClock clock;
  /// Where the server is and who asks; asked at the first call.
  std::function<Where()> find_server = [] { return Where{}; };
  /// Reads the configuration into the options of those who have added words. It is read once.
  std::function<Result<>()> configure = [] { return Result<>{}; };
  std::map<std::string, std::string, std::less<>> advice;  ///< what to type next, by the error's reason

  /// Made at the first use.
  Api& api();
  std::string variable(const std::string& name) const;

 private:
  std::unique_ptr<Api> api_;
};

/// The process's environment, terminals and locale.
void fill_from_process(Context& context);

/// The file that --config names, else ./tiltyard.toml, else /etc/tiltyard/tiltyard.toml; empty when there is none.
std::string config_path(const Context& context);
/// Whether a URL leads to this machine: only there the admin token's file may be sent.
bool leads_to_this_machine(std::string_view url);

/// Writes to standard output; a reader that has gone away (`| head`) ends the command quietly.
void print(std::string_view text);
/// The same to any file, all of it however long that takes. What cannot be written at all ends the process and says so.
void write_out(int file, std::string_view text);
/// One line on standard error.
void note(std::string_view text);
/// What went wrong and what to type next on standard error; the exit code for it.
int complain(const Context& context, const Error& error);
/// What to type next after an error; empty when there is nothing to say.
std::string advice(const Context& context, const Error& error);
int exit_code_of(const Error& error);

/// JSON for programs: one line.
void print_json(const boost::json::value& value);

const boost::json::array& items_of(const boost::json::value& value, std::string_view key = "items");

}  // namespace tiltyard::cli
