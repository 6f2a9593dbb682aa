#include "app/command_line.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "app/app.h"
#include "cli/words.h"
#include "identity/capability.h"

namespace tiltyard::app {
namespace {

/// "0.0.0.0:8000" is where a server listens; a client goes to the loopback.
std::string url_of(const std::string& listen, bool tls) {
  auto address = listen;
  for (const auto* everywhere : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(everywhere)) address = "127.0.0.1:" + address.substr(std::string_view(everywhere).size());
  }
  return (tls ? "https://" : "http://") + address;
}

/// What was copied has line ends and blanks around it that nobody sees.
std::string without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto from = std::min(text.find_first_not_of(kBlanks), text.size());
  return std::string(text.substr(from, text.find_last_not_of(kBlanks) + 1 - from));
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return without_blanks(line);
}

}  // namespace

CommandLine::CommandLine(cli::Context& context, Serve serve, Capabilities all)
    : context_(context), settings_(std::move(all)) {
  context.configure = [this] { return configure(); };
  context.find_server = [this] { return find_server(); };
  commands_ = std::make_unique<cli::Commands>(context, TILTYARD_VERSION, [&](cli::Words& words) {
    words.begin("the server");
    add_serve(words, std::move(serve));
    add_privileged(words);
    for (const auto& one : settings_.capabilities) {
      words.begin(one->name());
      one->words(words);
    }
    words.begin("the server");
    add_try(words, settings_);
    add_doctor(words, settings_);
    add_firewall(words, settings_);
    add_config(words);
    add_events(words, settings_);
    add_routes(words);
  });
}

Result<> CommandLine::configure() {
  if (!configured_) configured_ = read_named(settings_, cli::config_path(context_), config::process_environment());
  return *configured_;
}

cli::Where CommandLine::find_server() {
  const bool good = configure().has_value();
  cli::Where where;
  const auto listen = good ? settings_.site.listen : std::string();
  const bool listens = !cli::config_path(context_).empty() && !listen.empty() && !listen.ends_with(":0");
  if (const auto url = without_blanks(context_.variable("TILTYARD_URL")); !url.empty()) {
    where.url = url;
  } else if (listens) {
    where.url = url_of(listen, !settings_.site.tls_certificate.empty());
  } else if (!good && !context_.config.empty()) {
    where.fault = configured_->error();
    where.fault->reason = cli::reason::kUsage;
  }
  if (auto token = without_blanks(context_.variable("TILTYARD_TOKEN")); !token.empty()) {
    where.token = Secret(std::move(token));
    where.token_from = "TILTYARD_TOKEN";
    return where;
  }
  return cli::leads_to_this_machine(where.url) ? with_token_of_this_machine(std::move(where), good) : where;
}

cli::Where CommandLine::with_token_of_this_machine(cli::Where where, bool configured) const {
  if (const auto& token = settings_.of<identity::Capability>().options().admin_token; configured && !token.empty()) {
    where.token = token;
    where.token_from = "admin.token of the configuration";
    return where;
  }
  namespace fs = std::filesystem;
  const auto folder =
      configured ? fs::path(settings_.site.data) : fs::path(cli::config_path(context_)).parent_path() / "data";
  const auto file = (folder / "admin.token").string();
  if (auto token = first_line(file); !token.empty()) {
    where.token = Secret(std::move(token));
    where.token_from = file;
  }
  return where;
}

int run(int argc, char** argv) {
  cli::Context context;
  cli::fill_from_process(context);
  CommandLine line(context, serve);
  std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
  if (words.empty()) words.emplace_back("--help");
  // Asked by the shells' completion scripts, with half a command line that the grammar would refuse.
  if (words.front() == "__complete") {
    words.erase(words.begin());
    for (const auto& word : line.commands().complete(words)) cli::print(word + "\n");
    return cli::kOk;
  }
  return line.commands().run(words);
}

}  // namespace tiltyard::app
