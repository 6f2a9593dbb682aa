#include "labs/apart_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "labs/machine_spec.h"
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
    auto done =
        bind.content ? copy_text(*bind.content, part, bind.mode) : copy_tree(source_ / bind.path, part, bind.mode);
    return done ? files_.move(instance_, part, name) : done;
  }

 private:
  Result<> copy_text(const std::string& text, const std::string& to, int mode) {
    const Descriptor memory(::memfd_create("bind", MFD_CLOEXEC));
    if (!memory.open() || ::write(memory.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      return cannot(to);
    FileFacts facts;
    if (mode >= 0) facts.mode = static_cast<std::uint32_t>(mode);
    return files_.place(instance_, to, facts, memory.get());
  }

  /// Links as links, and modes as they are, but for the uppermost where the template says another.
  Result<> copy_tree(const fs::path& from, const std::string& to, int mode) {
    struct stat status{};
    if (::lstat(from.c_str(), &status) != 0) return cannot(from.string());
    FileFacts facts;
    facts.mode = mode >= 0 ? static_cast<std::uint32_t>(mode) : status.st_mode & 07777;
    if (S_ISLNK(status.st_mode)) return files_.link(instance_, to, fs::read_symlink(from).string());
    if (S_ISREG(status.st_mode)) {
      const Descriptor file(::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      if (!file.open()) return cannot(from.string());
      return files_.place(instance_, to, facts, file.get());
    }
    if (!S_ISDIR(status.st_mode)) return {};
    if (auto made = files_.make_folder(instance_, to, facts.mode); !made) return made;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from, error)) {
      if (auto done = copy_tree(entry.path(), to + "/" + entry.path().filename().string(), -1); !done) return done;
    }
    if (!error) return {};
    errno = error.value();
    return cannot(from.string());
  }

  const Files& files_;
  std::string instance_;
  fs::path source_;
};

class ApartFilesStep final : public Step {
 public:
  ApartFilesStep(WorkerPool& pool, std::shared_ptr<const Files> files, std::string folder)
      : pool_(pool), files_(std::move(files)), folder_(std::move(folder)) {}

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
    auto work = [files = files_, id = spawn->facts().id.str(), own = files_of(folder_, spawn->facts().id)] {
      std::error_code ignored;
      fs::remove_all(own, ignored);
      return files->take(id);
    };
    co_return co_await offload(pool_, std::move(work));
  }

 private:
  WorkerPool& pool_;
  std::shared_ptr<const Files> files_;
  std::string folder_;
};

}  // namespace

std::unique_ptr<Step> apart_files_step(WorkerPool& pool, std::shared_ptr<const privileged::Files> files,
                                       std::string folder) {
  return std::make_unique<ApartFilesStep>(pool, std::move(files), std::move(folder));
}

}  // namespace tiltyard::labs
