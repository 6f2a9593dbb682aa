#include "app/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "app/settings.h"
#include "config/keys.h"

namespace tiltyard::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int kMostAtOnce = 16;
constexpr std::chrono::milliseconds kMayStart = 60s, kMayEnd = 20s, kLookEvery = 50ms;
constexpr std::size_t kWordsShown = 2000;  // bytes
/// How a server says on its output that it is there (app.cpp).
constexpr std::string_view kReady = "Tiltyard is ready at ";

std::unexpected<Error> unstartable(std::string why, std::string cause = {}) {
  return fail(Code::kInternal, "trial-unstartable", std::move(why), std::move(cause));
}

/// Milliseconds until it ended, or false when it has not by then.
bool ends_within(const Process& process, std::chrono::milliseconds limit) {
  pollfd ended{process.handle, POLLIN, 0};
  return ::poll(&ended, 1, static_cast<int>(limit.count())) > 0;
}

/// All of ours, but what would be heeded as the server's configuration.
std::vector<std::string> environment_of_server() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("TILTYARD_")) out.emplace_back(*entry);
  }
  return out;
}

}  // namespace

std::string config_of_trial(const Settings& settings, const std::string& folder, int number, bool pull) {
  using Lines = std::map<std::string, std::string>;
  std::map<std::string, Lines> sections;
  const std::set<std::string> heeded{"engine", "limits", "templates"};
  config::Keys keys;
  declare_keys(keys, const_cast<Settings&>(settings));  // they are only shown
  for (const auto& key : keys.all()) {
    if (heeded.contains(key.section) && !key.name.empty() && !key.value.secret)
      sections[key.section][key.name] = key.value.shown();
  }
  auto& engine = sections["engine"];
  engine["namespace"] = config::toml_text(fmt::format("try-{}", number));
  engine.erase("pool");
  auto& templates = sections["templates"];
  templates["path"] = config::toml_text(folder + "/templates");
  if (pull) templates["allow_pull"] = "true";
  sections["server"]["listen"] = config::toml_text("127.0.0.1:0");
  sections["gateway"]["listen"] = config::toml_text("127.0.0.1:0");
  sections["data"]["path"] = config::toml_text(folder + "/data");
  sections["store"]["url"] = config::toml_text("sqlite:" + folder + "/data/tiltyard.db");
  sections["network"]["pool"] = config::toml_text(fmt::format("10.{}.0.0/16", 200 + number));
  sections["labs"] = {{"trial", "true"}, {"sweep_window", config::toml_text("0s")}};
  std::string out;
  for (const auto& [section, lines] : sections) {
    out += fmt::format("[{}]\n", section);
    for (const auto& [name, value] : lines) out += fmt::format("{} = {}\n", name, value);
  }
  return out;
}

Result<std::unique_ptr<Trial>> Trial::begin(const Settings& settings, const std::string& folder, bool pull,
                                            const std::function<bool()>& given_up) {
  for (int from = 0;; ++from) {
    std::unique_ptr<Trial> trial(new Trial);
    auto done = trial->take_number(from);
    if (done) done = trial->make_folder(settings, folder, pull);
    if (done) done = trial->start_server();
    if (done) done = trial->wait_until_ready(given_up);
    if (done) return trial;
    from = trial->number_;
    // One that was killed, and whose temporary folder was another: its machines stay its own.
    if (!done.error().message.contains("namespace-claimed")) return fail(std::move(done.error()));
  }
}

Trial::~Trial() {
  api_.reset();
  if (server_.pid > 0) {
    ::kill(server_.pid, SIGTERM);
    if (!ends_within(server_, kMayEnd)) ::kill(server_.pid, SIGKILL);
    reap_process(server_.pid);
    ::close(server_.handle);
  }
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
  if (number_held_ >= 0) ::close(number_held_);
}

/// Names of abstract sockets are nobody's after their process has ended, whatever ended it (unix(7)).
Result<> Trial::take_number(int from) {
  number_held_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (number_ = from; number_held_ >= 0 && number_ < kMostAtOnce; ++number_) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const auto text = fmt::format("tiltyard-try-{}", number_);
    std::memcpy(name.sun_path + 1, text.data(), text.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    if (::bind(number_held_, reinterpret_cast<const sockaddr*>(&name), size) == 0) return {};
  }
  return unstartable(fmt::format("{} trials run on this host at once, which is the most. End one first.", kMostAtOnce));
}

Result<> Trial::make_folder(const Settings& settings, const std::string& template_folder, bool pull) {
  std::error_code failure;
  const auto folder = fs::temp_directory_path(failure) / fmt::format("tiltyard-try-{}-{}", ::geteuid(), number_);
  // Always the same place, so that a server finds that what stands under its namespace is of one that is dead. Nobody
  // else's: remove_all() does not follow links, and mkdir() takes nothing that is there.
  if (!failure) fs::remove_all(folder, failure);
  if (failure || ::mkdir(folder.c_str(), 0700) != 0)
    return unstartable(fmt::format("{} cannot be made as a temporary folder.", folder.string()), std::strerror(errno));
  folder_ = folder.string();
  fs::create_directories(fs::path(folder_) / "templates", failure);
  // A link, so that what its author changes meanwhile is seen.
  if (!failure)
    fs::create_directory_symlink(template_folder,
                                 fs::path(folder_) / "templates" / fs::path(template_folder).filename(), failure);
  std::ofstream config(folder_ + "/tiltyard.toml");
  config << config_of_trial(settings, folder_, number_, pull);
  config.close();
  if (failure || !config)
    return unstartable("The temporary folder cannot be written to: " + folder_, failure.message());
  return {};
}

Result<> Trial::start_server() {
  const int output = ::open((folder_ + "/server.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) return unstartable("The temporary folder cannot be written to: " + folder_, std::strerror(errno));
  Program program;
  program.command = {"/proc/self/exe", "serve", "--config", folder_ + "/tiltyard.toml"};
  program.environment = environment_of_server();
  program.output = output;
  auto started = start_process(program);
  ::close(output);
  if (!started) return fail(std::move(started.error()));
  server_ = *started;
  return {};
}

Result<> Trial::wait_until_ready(const std::function<bool()>& given_up) {
  const auto until = std::chrono::steady_clock::now() + kMayStart;
  while (std::chrono::steady_clock::now() < until && !given_up()) {
    const auto said = log();
    const auto at = said.rfind(std::string(kReady));
    const auto end = at == said.npos ? at : said.find('\n', at);
    if (end != said.npos) {
      url_ = said.substr(at + kReady.size(), end - at - kReady.size());
      cli::Where where;
      where.url = url_;
      std::ifstream file(folder_ + "/data/admin.token");
      std::string token;
      std::getline(file, token);
      where.token = Secret(std::move(token));
      api_ = std::make_unique<cli::Api>(std::move(where));
      return {};
    }
    if (ends_within(server_, kLookEvery)) break;
  }
  return unstartable("The trial's server did not start:\n" + last_words());
}

std::string Trial::log() const {
  std::ifstream file(folder_ + "/server.log");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Trial::last_words() const {
  auto said = log();
  if (said.size() > kWordsShown) said.erase(0, said.find('\n', said.size() - kWordsShown) + 1);
  return said;
}

}  // namespace tiltyard::app
