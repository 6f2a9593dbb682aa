#include "cli/context.h"

#include <fmt/core.h>
#include <unistd.h>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "app/settings.h"
#include "identity/capability.h"

namespace tiltyard::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) std::_Exit(kOk);
    if (written < 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// "0.0.0.0:8000" is where a server listens; a client goes to the loopback.
std::string url_of(const std::string& listen, bool tls) {
  auto address = listen;
  for (const auto* everywhere : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(everywhere)) address = "127.0.0.1:" + address.substr(std::string_view(everywhere).size());
  }
  return (tls ? "https://" : "http://") + address;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

Api& Context::api() {
  if (!api_) api_ = std::make_unique<Api>(find_server(*this));
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

Where find_server(const Context& context) {
  Where where;
  const auto path = config_path(context);
  app::Settings settings;
  const auto good = app::read(settings, path, config::process_environment());
  const auto listen = good ? settings.site.listen : std::string();
  const bool listens = !path.empty() && !listen.empty() && !listen.ends_with(":0");
  if (const auto url = context.variable("TILTYARD_URL"); !url.empty()) {
    where.url = url;
  } else if (listens) {
    where.url = url_of(listen, !settings.site.tls_certificate.empty());
  }
  if (auto token = context.variable("TILTYARD_TOKEN"); !token.empty()) {
    where.token = Secret(std::move(token));
    where.token_from = "TILTYARD_TOKEN";
    return where;
  }
  if (!leads_to_this_machine(where.url)) return where;
  if (const auto& token = settings.of<identity::Capability>().options().admin_token; good && !token.empty()) {
    where.token = token;
    where.token_from = "admin.token of the configuration";
    return where;
  }
  const auto folder = good ? fs::path(settings.site.data) : fs::path(path).parent_path() / "data";
  const auto file = (folder / "admin.token").string();
  if (auto token = first_line(file); !token.empty()) {
    where.token = Secret(std::move(token));
    where.token_from = file;
  }
  return where;
}

void print(std::string_view text) { write_all(STDOUT_FILENO, text); }

void note(std::string_view text) { write_all(STDERR_FILENO, std::string(text) + "\n"); }

int exit_code_of(const Error& error) {
  if (error.reason == reason::kServerAway) return kServerAway;
  if (error.reason == reason::kInvalidUrl || error.reason == reason::kUsage) return kUsage;
  return error.code == Code::kNotFound ? kNotFound : kFailed;
}

std::string advice(const Context& context, const Error& error) {
  const auto field = [&](std::string_view key) {
    for (const auto& [name, value] : error.fields) {
      if (name == key) return value;
    }
    return std::string();
  };
  const auto& reason = error.reason;
  if (reason == reason::kServerAway)
    return "Start one: tiltyard serve --config tiltyard.toml. Or say where it is: TILTYARD_URL=http://host:8000";
  if (reason == "template-unknown") return "See what there is: tiltyard templates";
  if (reason == "template-not-ready" || reason == "template-broken") return "See why: tiltyard templates";
  if (reason == "instance-unknown") return "See yours: tiltyard ls";
  if (reason == "instance-exists") return "Show it: tiltyard show " + field("instance_id");
  if (reason == "limit-reached") return "See what runs: tiltyard ls. End one: tiltyard stop ID";
  if (reason == "not-extendable-yet" && !field("extendable_at").empty()) {
    return "Try again " + relative_text(field("extendable_at"), context.clock.now()) + ".";
  }
  if (reason == "machine-unknown") return "See its machines: tiltyard show ID";
  if (reason == "user-unknown") return "See who there is: tiltyard users ls";
  if (reason == "token-unknown") return "See yours: tiltyard token ls";
  if (reason == "not-signed-in") {
    return "Set TILTYARD_TOKEN to a token of yours, or run this where the server's data/admin.token can be read "
           "(--config FILE).";
  }
  if (reason == "engine-unavailable" || reason == "isolation-unavailable")
    return "See what is wrong on the server: tiltyard doctor";
  return {};
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
