// The configuration while the server runs: read, watched, replaced.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/id.h"
#include "farm/state.h"
#include "observe/log.h"

namespace tiltyard::farm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShortestToken = 16;

/// What changes when a file does: an editor writes into it, or puts another in its place.
std::string stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return fmt::format("{}:{}:{}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    return fail(Code::kInvalid, reason::kConfigInvalid,
                fmt::format("{} cannot be read: {}.", path, std::strerror(errno)));
  return text.str();
}

/// The whole text under the name at once, or not at all, also after a power cut.
Result<> write_file(const std::string& path, std::string_view text, mode_t mode) {
  const auto failed = [&](const char* what) {
    return fail(Code::kInternal, "farm-config-unwritable", fmt::format("{} cannot be written.", path),
                fmt::format("{}: {}", what, std::strerror(errno)));
  };
  const std::string beside = path + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return failed("open");
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written) return failed("write");
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("rename");
  const int folder = ::open(fs::path(path).parent_path().empty() ? "." : fs::path(path).parent_path().c_str(),
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

/// Files of before may have one; a new one is not taken.
bool short_token(const Config& config) {
  return !config.token.empty() && config.token.reveal().size() < kShortestToken;
}

void put_in_force(Service::State& state, Config config) {
  // Grows over restarts too: nobody changes a configuration more than once a second for long.
  const auto seconds = static_cast<std::uint64_t>(to_micros(state.parts.clock.now()) / 1'000'000);
  config.version = std::max(state.config->version + 1, seconds);
  state.config = std::make_shared<const Config>(std::move(config));
  const auto& now = *state.config;
  state.books.set_rules({now.flag_lifetime, now.lease_time, now.retry_after});
  state.rate.configure(now.jury.calls_per_second, now.jury.flags_per_second);
  state.team_names.clear();
  for (const auto& team : now.teams) state.team_names.emplace(team.address, team.name);
  state.attack.configure(state.config);
  state.parts.jobs.poke(kAttackData);
  state.config_trouble.reset();
  state.changed = true;
  state.work.pulse();
  if (state.on_config) state.on_config();
}

}  // namespace

Result<> load_config(Service::State& state) {
  const auto& path = state.options.config_file;
  state.config_stamp = stamp_of(path);
  auto text = read_file(path);
  if (!text) return fail(std::move(text.error()));
  auto config = parse_config(*text);
  if (!config) {
    Error error = std::move(config.error());
    const auto line = std::ranges::find(error.fields, "line", &std::pair<std::string, std::string>::first);
    error.message = fmt::format("{}{}: {}", path, line == error.fields.end() ? "" : ":" + line->second, error.message);
    return fail(std::move(error));
  }
  if (short_token(*config)) {
    log::warn("farm", "the farm's token is shorter than 16 characters: whoever reaches the farm may guess it",
              {{"file", path}});
  }
  put_in_force(state, std::move(*config));
  return {};
}

void look_at_config(Service::State& state) {
  const auto stamp = stamp_of(state.options.config_file);
  if (stamp.empty() || stamp == state.config_stamp) return;
  auto loaded = load_config(state);
  if (loaded) {
    log::info("farm", "the farm's configuration has changed", {{"file", state.options.config_file}});
    return;
  }
  log::warn("farm", "the farm's configuration is not valid; the old one stays in force",
            {{"message", loaded.error().message}});
  state.config_trouble = std::move(loaded.error());
}

namespace {

/// Staff change the game over the API; which program runs on this machine only those who may write its files.
Result<> check_program(const Config& wanted, const Config& before, const std::string& file) {
  if (wanted.senders.command == before.senders.command) return {};
  return fail(
      Code::kInvalid, reason::kConfigInvalid,
      fmt::format("'senders.command' is a program that runs on the server's machine, and is changed in {} on that "
                  "machine alone. {} Nothing was changed.",
                  file,
                  before.senders.command.empty() ? "Leave it out here."
                                                 : "Leave it here as it was; the rest can be changed with it."));
}

}  // namespace

Result<> replace_config(Service::State& state, std::string text, std::optional<std::uint64_t> version) {
  // What was written on the machine a moment ago counts already: it must not be overwritten unseen.
  look_at_config(state);
  if (version && *version != state.config->version) {
    return fail(Code::kConflict, "farm-config-changed",
                "Somebody else has changed the configuration meanwhile. Load it again, and make your change in that.");
  }
  auto asked = check_targets(text, state.config->text);
  if (!asked) return asked;
  auto config = parse_config(fill_blanks(text, state.config->text));
  if (!config) return fail(std::move(config.error()));
  if (short_token(*config) && !config->token.equals(state.config->token.reveal()))
    return fail(Code::kInvalid, reason::kConfigInvalid, "token must be at least 16 characters long.");
  if (auto same = check_program(*config, *state.config, state.options.config_file); !same) return same;
  struct stat info{};
  const bool there = ::stat(state.options.config_file.c_str(), &info) == 0;
  if (auto written = write_file(state.options.config_file, config->text, there ? info.st_mode & 0777 : 0600); !written)
    return written;
  state.config_stamp = stamp_of(state.options.config_file);
  put_in_force(state, std::move(*config));
  return {};
}

Result<Secret> load_token(const std::string& folder) {
  const std::string path = folder + "/farm.token";
  if (auto text = read_file(path)) {
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    if (!text->empty()) return Secret(std::move(*text));
  }
  std::string token = random_hex(16);
  if (auto written = write_file(path, token + "\n", 0600); !written) return fail(std::move(written.error()));
  return Secret(std::move(token));
}

}  // namespace tiltyard::farm
