// The step that gives an instance its own copies of what its machines see of the template.
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <vector>

#include "labs/leftovers.h"
#include "labs/machine_spec.h"
#include "labs/steps.h"
#include "privileged/own_files.h"
#include "privileged/wire.h"

namespace tiltyard::labs {
namespace {

namespace fs = std::filesystem;
using privileged::Descriptor;
using privileged::FileFacts;
using privileged::Files;

constexpr char kPart[] = "binds/.part";

std::unexpected<Error> cannot(const std::string& path) {
  const int why = errno;
  return fail(Code::kInternal, "files-not-copied",
              fmt::format("'{}' of the template could not be copied for the instance.", path), ::strerror(why));
}

/// What a bind says itself of whose it is.
void overrule(const templates::BindSource& bind, FileFacts& facts) {
  if (bind.mode >= 0) facts.mode = static_cast<std::uint32_t>(bind.mode);
  if (bind.uid >= 0) facts.user = static_cast<std::uint32_t>(bind.uid);
  if (bind.gid >= 0) facts.group = static_cast<std::uint32_t>(bind.gid);
}

/// One instance's copies. Blocking.
class Copying {
 public:
  Copying(const Files& files, std::string instance, fs::path source)
      : files_(files), instance_(std::move(instance)), source_(std::move(source)) {}

  Result<> copy(const templates::BindSource& bind) {
    const auto name = copy_name(bind);
    // A repeated make finds what is there and leaves it: the player may have written to it already.
    const auto made = files_.there(instance_, name);
    if (!made) return fail(made.error());
    if (*made) return {};
    // Where no machine sees it yet; of an earlier try nothing is left but what is written over.
    const auto part = fmt::format("{}-{}", kPart, name.substr(name.find('/') + 1));
    auto done = prepare(bind, part);
    return done ? files_.move(instance_, part, name) : done;
  }

 private:
  Result<> prepare(const templates::BindSource& bind, const std::string& part) {
    FileFacts facts;
    facts.user = facts.group = files_.gives_away() ? 0 : privileged::kAsMade;
    overrule(bind, facts);
    if (is_laid_over(bind)) return lay_over(bind, part);
    if (bind.content) return copy_text(*bind.content, part, facts);
    if (!bind.fresh) return copy_tree(bind.path.empty() ? source_ : source_ / bind.path, part, &bind);
    // As the engine makes one that is missing.
    facts.mode = 0755;
    return files_.make_folder(instance_, part, facts);
  }

  /// What is written comes into `upper`, whose root stands for the folder's own; the kernel works in `work`.
  Result<> lay_over(const templates::BindSource& bind, const std::string& part) {
    struct stat status{};
    const auto from = source_ / bind.path;
    if (::lstat(from.c_str(), &status) != 0) return cannot(from.string());
    FileFacts work;
    work.user = work.group = privileged::kAsMade;
    work.mode = 0700;
    auto made = files_.make_folder(instance_, part + "/upper", facts_of(status));
    return made ? files_.make_folder(instance_, part + "/work", work) : made;
  }

  Result<> copy_text(const std::string& text, const std::string& to, FileFacts facts) {
    const Descriptor memory(::memfd_create("bind", MFD_CLOEXEC));
    if (!memory.open() || ::write(memory.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      return cannot(to);
    facts.seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return files_.place(instance_, to, facts, memory.get());
  }

  FileFacts facts_of(const struct stat& status) const {
    FileFacts facts;
    facts.user = files_.gives_away() ? status.st_uid : privileged::kAsMade;
    facts.group = files_.gives_away() ? status.st_gid : privileged::kAsMade;
    facts.mode = status.st_mode & 07777;
    facts.seconds = status.st_mtim.tv_sec;
    facts.nanos = static_cast<std::uint32_t>(status.st_mtim.tv_nsec);
    return facts;
  }

  /// Links as links, owners and modes as they are, but for the uppermost where its bind says others (`said`).
  Result<> copy_tree(const fs::path& from, const std::string& to, const templates::BindSource* said) {
    struct stat status{};
    if (::lstat(from.c_str(), &status) != 0) return cannot(from.string());
    FileFacts facts = facts_of(status);
    if (said) overrule(*said, facts);
    if (S_ISLNK(status.st_mode)) return files_.link(instance_, to, fs::read_symlink(from).string());
    if (S_ISREG(status.st_mode)) {
      const Descriptor file(::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (!file.open()) return cannot(from.string());
      return files_.place(instance_, to, facts, file.get());
    }
    if (!S_ISDIR(status.st_mode)) return {};
    if (auto made = files_.make_folder(instance_, to, facts); !made) return made;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from, error)) {
      if (auto done = copy_tree(entry.path(), to + "/" + entry.path().filename().string(), nullptr); !done) return done;
    }
    if (!error) return {};
    errno = error.value();
    return cannot(from.string());
  }

  const Files& files_;
  std::string instance_;
  fs::path source_;
};

class FilesStep final : public Step {
 public:
  FilesStep(WorkerPool& pool, std::string folder, std::shared_ptr<const Files> apart)
      : pool_(pool), folder_(std::move(folder)), files_(std::move(apart)), local_(!files_) {
    if (!local_) return;
    auto leftovers = std::make_shared<Leftovers>(folder_);
    files_ = privileged::local_files(folder_, [leftovers](const std::string& id) { return leftovers->take(id); });
  }

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
    auto work = [files = files_, copies = std::move(copies), source = spawn->origin()->folder,
                 id = spawn->facts().id.str()]() -> Result<> {
      Copying copying(*files, id, source);
      for (const auto& bind : copies) {
        if (auto done = copying.copy(bind); !done) return done;
      }
      return {};
    };
    co_return co_await offload(pool_, std::move(work));
  }

  /// All of the instance's own files, also those that other steps have put there.
  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    const auto own = files_of(folder_, spawn->facts().id);
    // Most instances have none: no hop to the pool for them.
    std::error_code none;
    if (local_ && !fs::exists(own, none)) co_return Result<>{};
    auto work = [files = files_, local = local_, id = spawn->facts().id.str(), own] {
      std::error_code ignored;
      if (!local) fs::remove_all(own, ignored);  // what we note ourselves
      return files->take(id);
    };
    co_return co_await offload(pool_, std::move(work));
  }

 private:
  WorkerPool& pool_;
  std::string folder_;
  std::shared_ptr<const Files> files_;
  bool local_;
};

}  // namespace

std::unique_ptr<Step> files_step(WorkerPool& pool, std::string folder, std::shared_ptr<const privileged::Files> apart) {
  return std::make_unique<FilesStep>(pool, std::move(folder), std::move(apart));
}

}  // namespace tiltyard::labs
