#include "flags/placing.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <set>

namespace tiltyard::flags {
namespace {

constexpr off_t kMostRead = 4096;

/// Closes a descriptor at its end.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }
  bool open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

std::unexpected<Error> refused(const std::string& path, const char* what) {
  const int why = errno;
  const bool full = why == ENOSPC || why == EDQUOT;
  return fail(full ? Code::kExhausted : Code::kInternal, full ? "disk-full" : "flag-file-refused",
              "A file with the flag could not be written for the instance.",
              fmt::format("{} {}: {}", what, path, ::strerror(why)));
}

bool is_regular(const File& file, struct stat& status) {
  return file.open() && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string content_of(const File& file, const struct stat& status) {
  std::string out(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < out.size()) {
    const auto got = ::read(file.get(), out.data() + filled, out.size() - filled);
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  out.resize(filled);
  return out;
}

Result<std::string> read_original(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!is_regular(file, status)) {
    return fail(Code::kInternal, "flag-file-missing",
                "The original of a file with a flag is gone; read the template again.", path);
  }
  return content_of(file, status);
}

}  // namespace

Result<std::string> patched(const Patch& patch, std::string_view placeholder, OwnTexts own) {
  if (patch.source.empty() && !patch.content) return std::string(patch.password ? own.password : own.flag) + "\n";
  std::string content;
  if (patch.content) {
    content = *patch.content;
  } else {
    auto original = read_original(patch.source);
    if (!original) return original;
    content = std::move(*original);
  }
  if (patch.as_is) return content;
  if (!patch.binary) return replace_text(content, placeholder, own.flag);
  auto replaced = replace_binary(content, placeholder, own.flag);
  if (!replaced) return fail(std::move(replaced.error()).with("file", patch.target));
  return content;
}

std::optional<std::string> read_regular(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!is_regular(file, status) || status.st_size > kMostRead) return std::nullopt;
  return content_of(file, status);
}

Result<> write_in_place(const std::string& path, std::string_view content, const FileFacts& facts) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file.open()) return refused(path, "open");
  struct stat status{};
  if (!is_regular(file, status)) {
    errno = EINVAL;
    return refused(path, "open (it is no file)");
  }
  for (std::size_t done = 0; done < content.size();) {
    const auto wrote = ::pwrite(file.get(), content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return refused(path, "write");
    done += static_cast<std::size_t>(wrote);
  }
  if (::ftruncate(file.get(), static_cast<off_t>(content.size())) != 0) return refused(path, "truncate");
  // Owner first: it takes setuid bits and capabilities away.
  if (::fchown(file.get(), facts.uid, facts.gid) != 0) return refused(path, "chown");
  if (::fchmod(file.get(), facts.mode) != 0) return refused(path, "chmod");
  if (!facts.capability.empty() &&
      ::fsetxattr(file.get(), "security.capability", facts.capability.data(), facts.capability.size(), 0) != 0) {
    return refused(path, "setxattr");
  }
  const struct timespec time{facts.seconds, static_cast<long>(facts.nanos)};
  const struct timespec times[2] = {time, time};
  if (::futimens(file.get(), times) != 0) return refused(path, "utimens");
  return {};
}

std::string file_name(const Patch& patch) { return fmt::format("flags/{}", patch.file); }

Result<std::set<int>> place_files(const Plan& plan, OwnTexts own, const privileged::Files& files,
                                  const std::string& instance, Place which) {
  std::set<int> done;
  for (const auto& patch : plan.patches) {
    if (done.contains(patch.file) || (patch.in_layer && which != Place::kClaimed)) continue;
    if (patch.as_is && which == Place::kClaimed) continue;  // no owner's
    const auto path = file_name(patch);
    if (which == Place::kMissing || patch.in_layer) {
      const auto there = files.there(instance, path);
      if (!there) return fail(there.error());
      if (*there != patch.in_layer) continue;
    }
    auto content = patched(patch, plan.placeholder, own);
    if (!content) return fail(std::move(content.error()));
    const File memory(::memfd_create("flag", MFD_CLOEXEC));
    if (!memory.open() ||
        ::write(memory.get(), content->data(), content->size()) != static_cast<ssize_t>(content->size()))
      return refused(path, "write");
    const auto& facts = patch.facts;
    auto placed = files.place(
        instance, path, {facts.uid, facts.gid, facts.mode, facts.seconds, facts.nanos, facts.capability}, memory.get());
    if (!placed) return fail(std::move(placed.error()));
    done.insert(patch.file);
  }
  return done;
}

}  // namespace tiltyard::flags
