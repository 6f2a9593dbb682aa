// The steps that lay the ground for machines: networks, files, volumes.
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "labs/leftovers.h"
#include "labs/machine_spec.h"
#include "labs/steps.h"

namespace tiltyard::labs {
namespace {

namespace fs = std::filesystem;

class NetworkStep final : public Step {
 public:
  explicit NetworkStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "network"; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    // Fails closed: without our firewall table nothing starts.
    auto& engine = engines_.of(spawn->plan().engine);
    auto isolated = co_await engine.ensure_isolation();
    if (!isolated) co_return isolated;
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& network : spawn->plan().networks) {
      works.push_back(create(&engine, network->spec, labels_of(spawn->facts())));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    auto& engine = engines_.of(spawn->plan().engine);
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& network : spawn->plan().networks) {
      known_.erase({&engine, network->spec.name});
      if (!network->spec.shared) works.push_back(engine.destroy_network(network->spec.name));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

 private:
  asio::awaitable<Result<>> create(engine::Engine* engine, engine::NetworkSpec spec, engine::Labels labels) {
    // A shared network belongs to no instance, and is there from the first spawn on: asking the engine each time would
    // cost every spawn a call. Whatever goes away makes us look again.
    if (spec.shared && known_.contains({engine, spec.name})) co_return Result<>{};
    if (spec.shared) spec.labels = {{kLabelShared, "true"}};
    else spec.labels = std::move(labels);
    const auto network = spec.name;
    const bool shared = spec.shared;
    auto created = co_await engine->create_network(std::move(spec));
    if (created && shared) known_.insert({engine, network});
    co_return created;
  }

  engine::Engines& engines_;
  std::set<std::pair<engine::Engine*, std::string>> known_;
};

/// The folder `below` of the open folder `at`, made where it is not there, and never through a link: who runs already
/// may have put one there. Closed by the caller; below zero: errno says why.
int open_folders(int at, const fs::path& below) {
  int here = ::dup(at);
  for (const auto& part : below) {
    if (here < 0) return here;
    ::mkdirat(here, part.c_str(), 0755);
    const int next = ::openat(here, part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const int why = errno;
    ::close(here);
    errno = why;
    here = next;
  }
  return here;
}

class FilesStep final : public Step {
 public:
  FilesStep(WorkerPool& pool, std::string folder) : pool_(pool), folder_(std::move(folder)), leftovers_(folder_) {}

  std::string name() const override { return "files"; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    // What has run has its files, where the version that made it put them.
    if (!spawn->origin() || spawn->facts().started_at) co_return Result<>{};
    std::vector<templates::BindSource> copies;
    for (const auto& service : spawn->origin()->services) {
      for (const auto& bind : service.binds) {
        if (needs_own_copy(bind)) copies.push_back(bind);
      }
    }
    if (copies.empty()) co_return Result<>{};
    const auto target = files_of(folder_, spawn->facts().id);
    auto work = [copies = std::move(copies), source = spawn->origin()->folder, target] {
      return copy_all(copies, source, target);
    };
    co_return co_await offload(pool_, std::move(work));
  }

  /// All of the instance's own files, also those that other steps have put there.
  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    // Most instances have none: no hop to the pool for them.
    std::error_code none;
    if (!fs::exists(files_of(folder_, spawn->facts().id), none)) co_return Result<>{};
    auto work = [this, id = spawn->facts().id.str()] { return leftovers_.take(id); };
    co_return co_await offload(pool_, std::move(work));
  }

 private:
  static Result<> copy_all(const std::vector<templates::BindSource>& copies, const fs::path& source,
                           const fs::path& target) {
    std::error_code error;
    fs::create_directories(target, error);
    const int own = ::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Result<> done = own < 0 ? cannot(copies.front().path, errno) : Result<>{};
    for (auto bind = copies.begin(); done && bind != copies.end(); ++bind) done = copy(*bind, source, target, own);
    if (own >= 0) ::close(own);
    return done;
  }

  static Result<> copy(const templates::BindSource& bind, const fs::path& source, const fs::path& target, int own) {
    const fs::path to = copy_name(bind);
    const int folder = open_folders(own, to.parent_path());
    if (folder < 0) return cannot(bind.path, errno);
    struct stat there{};
    // A repeated make finds what is there and leaves it: the player may have written to it already.
    const bool made = ::fstatat(folder, to.filename().c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
    auto done = made ? Result<>{} : prepare(bind, source, target / "part");
    if (!made && done && ::renameat(own, "part", folder, to.filename().c_str()) != 0) done = cannot(bind.path, errno);
    ::close(folder);
    return done;
  }

  /// The copy where no machine sees it yet.
  static Result<> prepare(const templates::BindSource& bind, const fs::path& source, const fs::path& part) {
    std::error_code error;
    fs::remove_all(part, error);
    if (bind.content) {
      std::ofstream(part, std::ios::binary) << *bind.content;
      if (fs::file_size(part, error) != bind.content->size()) return cannot(bind.path, error.value());
    } else {
      fs::copy(source / bind.path, part, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
      if (error) return cannot(bind.path, error.value());
    }
    if (bind.mode >= 0) fs::permissions(part, static_cast<fs::perms>(bind.mode), error);
    return {};
  }

  static Result<> cannot(const std::string& path, int why) {
    const bool full = why == ENOSPC || why == EDQUOT;
    return fail(full ? Code::kExhausted : Code::kInternal, full ? "disk-full" : "files-not-copied",
                fmt::format("'{}' of the template could not be copied for the instance.", path), ::strerror(why));
  }

  WorkerPool& pool_;
  std::string folder_;
  Leftovers leftovers_;
};

class VolumesStep final : public Step {
 public:
  explicit VolumesStep(engine::Engines& engines) : engines_(engines) {}

  std::string name() const override { return "volumes"; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& [key, volume] : spawn->plan().volumes) {
      works.push_back(engines_.of(spawn->plan().engine).create_volume(volume, labels_of(spawn->facts())));
    }
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    std::vector<asio::awaitable<Result<>>> works;
    for (const auto& [key, volume] : spawn->plan().volumes)
      works.push_back(engines_.of(spawn->plan().engine).destroy_volume(volume));
    auto results = co_await all_of(std::move(works));
    co_return first_error(std::move(results));
  }

 private:
  engine::Engines& engines_;
};

}  // namespace

std::unique_ptr<Step> network_step(engine::Engines& engines) { return std::make_unique<NetworkStep>(engines); }
std::unique_ptr<Step> files_step(WorkerPool& pool, std::string folder) {
  return std::make_unique<FilesStep>(pool, std::move(folder));
}
std::unique_ptr<Step> volumes_step(engine::Engines& engines) { return std::make_unique<VolumesStep>(engines); }

}  // namespace tiltyard::labs
