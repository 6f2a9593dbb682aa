#include "cli/context.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tiltyard::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// Where the caller has closed one of the standard streams, nothing that we open may take its place: before all else,
/// since some that is made before main() opens files.
[[gnu::constructor(101)]] void fill_standard_streams() {
  int file = 0;
  do { file = ::open("/dev/null", O_RDWR); } while (file >= 0 && file <= STDERR_FILENO);
  if (file >= 0) ::close(file);
}

}  // namespace

Api& Context::api() {
  if (!api_) api_ = std::make_unique<Api>(find_server());
  return *api_;
}

std::string Context::variable(const std::string& name) const {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

void fill_from_process(Context& context) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  std::signal(SIGPIPE, SIG_IGN);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (const auto equals = text.find('='); equals != std::string_view::npos) {
      context.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  context.in_is_terminal = ::isatty(STDIN_FILENO) == 1;
  context.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  context.error_is_terminal = ::isatty(STDERR_FILENO) == 1;
  context.colours =
      context.out_is_terminal && context.variable("NO_COLOR").empty() && context.variable("TERM") != "dumb";
}

std::string config_path(const Context& context) {
  if (!context.config.empty()) return context.config;
  std::error_code ignored;
  for (const auto* path : {"tiltyard.toml", "/etc/tiltyard/tiltyard.toml"}) {
    if (fs::exists(path, ignored)) return path;
  }
  return {};
}

bool leads_to_this_machine(std::string_view url) {
  if (url.starts_with("unix://")) return true;
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  auto host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  // What stands before an "@" is not the host: http://127.0.0.1@elsewhere.example leads elsewhere.
  if (host.find('@') != std::string_view::npos) return false;
  host = host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

void write_out(int file, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {  // somebody who shares it wants it so
      pollfd room{file, POLLOUT, 0};
      ::poll(&room, 1, -1);
      continue;
    }
    if (errno == EPIPE) std::_Exit(kOk);
    const std::string why = fmt::format("tiltyard: not all of it could be written: {}\n", std::strerror(errno));
    if (file != STDERR_FILENO && ::write(STDERR_FILENO, why.data(), why.size()) < 0) {}  // nobody is left to tell
    std::_Exit(kFailed);
  }
}

void print(std::string_view text) { write_out(STDOUT_FILENO, text); }

void note(std::string_view text) { write_out(STDERR_FILENO, std::string(text) + "\n"); }

int exit_code_of(const Error& error) {
  if (error.reason == reason::kServerAway) return kServerAway;
  if (error.reason == reason::kInvalidUrl || error.reason == reason::kUsage) return kUsage;
  return error.code == Code::kNotFound ? kNotFound : kFailed;
}

std::string advice(const Context& context, const Error& error) {
  if (error.reason == reason::kServerAway)
    return "Start one: tiltyard serve --config tiltyard.toml. Or say where it is: TILTYARD_URL=http://host:8000";
  const auto found = context.advice.find(error.reason);
  if (found == context.advice.end()) return {};
  auto text = found->second;
  for (const auto& [name, value] : error.fields) {
    const auto hole = fmt::format("{{{}}}", name);
    if (const auto at = text.find(hole); at != std::string::npos)
      text.replace(at, hole.size(), name.ends_with("_at") ? relative_text(value, context.clock.now()) : value);
  }
  // Without the field that it is about, there is nothing to say.
  return text.find('{') == std::string::npos ? text : std::string();
}

int complain(const Context& context, const Error& error) {
  note("tiltyard: " + (error.message.empty() ? error.reason : error.message));
  if (const auto next = advice(context, error); !next.empty()) note(next);
  return exit_code_of(error);
}

void print_json(const json::value& value) { print(json::serialize(value) + "\n"); }

const json::array& items_of(const json::value& value, std::string_view key) {
  static const json::array nothing;
  const auto& found = member(value, key);
  return found.is_array() ? found.get_array() : nothing;
}

}  // namespace tiltyard::cli
