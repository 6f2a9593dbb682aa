#include "engine/docker/layer_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <memory>

#include "engine/docker/answers.h"
#include "privileged/wire.h"

namespace tiltyard::engine::docker {
namespace {

using privileged::Descriptor;
using Names = std::vector<std::string>;

constexpr int kMostLinks = 40;  // as the kernel follows (path_resolution(7))
constexpr off_t kLargest = off_t{64} << 20;
constexpr std::size_t kMostAttributes = 64 * 1024;
constexpr char kCapability[] = "security.capability";

std::unexpected<Error> refused(const std::string& path, const std::string& why) {
  return fail(Code::kInternal, "file-refused", "A file could not be written into the machine's own layer.",
              fmt::format("{}: {}", path, why));
}

std::unexpected<Error> cannot(const std::string& path, const char* what) {
  const int why = errno;
  if (why == ENOSPC || why == EDQUOT)
    return fail(Code::kExhausted, "disk-full", "The disk is full: a file could not be written for the instance.", path);
  return refused(path, fmt::format("{}: {}", what, ::strerror(why)));
}

std::unexpected<Error> moved(const std::string& path) {
  return fail(Code::kConflict, "file-moved", "A file that was put into the machine is not there any more.", path);
}

/// Below the folder alone: no link, no way up, no other file system.
Descriptor open_below(int folder, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return Descriptor(
      static_cast<int>(::syscall(SYS_openat2, folder, path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

std::string joined(const Names& names) { return fmt::format("{}", fmt::join(names, "/")); }

/// A machine's root as it will see it, looked up layer by layer.
class Merged {
 public:
  explicit Merged(const Layer& layer) {
    layers_.push_back(open_layer(layer.upper));
    for (const auto& folder : layer.lower) layers_.push_back(open_layer(folder));
  }

  bool open() const { return layers_.front().open(); }
  int upper() const { return layers_.front().get(); }

  struct Found {
    bool there = false;
    struct stat status{};
    Descriptor folder = Descriptor();  ///< that it is in
  };
  /// What is at a path whose folders are no links. A whiteout, or what is no folder, hides what lies below it.
  Found look(const Names& path) const {
    const Names above(path.begin(), path.end() - 1);
    for (const auto& layer : layers_) {
      Found found;
      found.folder = open_below(layer.get(), joined(above), O_PATH | O_DIRECTORY);
      if (!found.folder.open()) {
        if (errno == ENOENT) continue;
        return {};
      }
      if (::fstatat(found.folder.get(), path.back().c_str(), &found.status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      found.there = !(S_ISCHR(found.status.st_mode) && found.status.st_rdev == makedev(0, 0));
      return found;
    }
    return {};
  }

  /// The path without links. What is not there stays as it is said.
  Result<Names> resolve(const std::string& path) const {
    std::deque<std::string> rest = names_of(path);
    Names out;
    for (int links = 0; !rest.empty();) {
      auto name = std::move(rest.front());
      rest.pop_front();
      if (name == "..") {
        if (!out.empty()) out.pop_back();
        continue;
      }
      out.push_back(std::move(name));
      const auto found = look(out);
      if (!found.there || S_ISDIR(found.status.st_mode)) continue;
      if (!S_ISLNK(found.status.st_mode)) {
        if (!rest.empty()) return refused(path, "a file lies on the way");
        continue;
      }
      std::array<char, 4096> text;
      const auto size = ::readlinkat(found.folder.get(), out.back().c_str(), text.data(), text.size());
      if (size <= 0 || size == static_cast<ssize_t>(text.size()) || ++links > kMostLinks)
        return refused(path, "its links lead nowhere");
      const std::string target(text.data(), static_cast<std::size_t>(size));
      out.pop_back();
      if (target.front() == '/') out.clear();
      const auto more = names_of(target);
      rest.insert(rest.begin(), more.begin(), more.end());
    }
    if (out.empty()) return refused(path, "it is the root");
    return out;
  }

 private:
  static Descriptor open_layer(const std::string& folder) {
    return Descriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  static std::deque<std::string> names_of(std::string_view path) {
    std::deque<std::string> out;
    while (!path.empty()) {
      const auto end = std::min(path.find('/'), path.size());
      const auto name = path.substr(0, end);
      if (!name.empty() && name != ".") out.emplace_back(name);
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    return out;
  }

  std::vector<Descriptor> layers_;
};

/// What of attributes is a file's own: not how the layers are put together.
void copy_attributes(int from, int to) {
  std::string names(kMostAttributes, '\0'), value(kMostAttributes, '\0');
  const auto size = ::flistxattr(from, names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const char* const name = names.data() + at;
    at += static_cast<ssize_t>(::strlen(name)) + 1;
    if (std::string_view(name).starts_with("trusted.")) continue;
    const auto length = ::fgetxattr(from, name, value.data(), value.size());
    if (length >= 0) ::fsetxattr(to, name, value.data(), static_cast<std::size_t>(length), 0);
  }
}

void set_times(int file, const timespec& changed) {
  const std::array<timespec, 2> times{changed, changed};
  ::futimens(file, times.data());
}

/// One tar into one layer.
class Unpacking {
 public:
  explicit Unpacking(const Layer& layer) : root_(layer) {}
  ~Unpacking() {
    // Making a file in a folder changed it.
    for (auto made = folders_.rbegin(); made != folders_.rend(); ++made) set_times(made->first.get(), made->second);
  }

  Result<> run(const std::string& tar) {
    if (!root_.open()) return cannot("/", "open the layer");
    const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(reader.get());
    if (archive_read_open_memory(reader.get(), tar.data(), tar.size()) != ARCHIVE_OK) return refused("/", "no archive");
    archive_entry* entry = nullptr;
    for (int got = 0; (got = archive_read_next_header(reader.get(), &entry)) != ARCHIVE_EOF;) {
      if (got != ARCHIVE_OK) return refused("/", "a broken archive");
      const char* const name = archive_entry_pathname_utf8(entry);
      if (!name) return refused("/", "a name that is none");
      const char* const other = archive_entry_hardlink_utf8(entry);
      auto done = other ? link(name, other) : write(name, *reader, *entry);
      if (!done) return done;
    }
    return {};
  }

 private:
  /// The folder in the machine's own layer, as the image has it.
  Result<Descriptor> folder_of(const Names& path) {
    Descriptor here(open_below(root_.upper(), "", O_RDONLY | O_DIRECTORY));
    Names done;
    for (std::size_t i = 0; here.open() && i + 1 < path.size(); ++i) {
      done.push_back(path[i]);
      Descriptor next(::openat(here.get(), path[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next.open() && errno == ENOENT) next = make_folder(here.get(), done);
      here = std::move(next);
    }
    if (!here.open()) return cannot(joined(path), "open a folder");
    return here;
  }

  Descriptor make_folder(int parent, const Names& path) {
    const auto& name = path.back();
    const auto image = root_.look(path);
    if (::mkdirat(parent, name.c_str(), 0755) != 0) return Descriptor();
    Descriptor made(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made.open() || !image.there) return made;
    const bool dressed = ::fchown(made.get(), image.status.st_uid, image.status.st_gid) == 0 &&
                         ::fchmod(made.get(), image.status.st_mode & 07777) == 0;
    if (!dressed) return Descriptor();
    const Descriptor original(
        ::openat(image.folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (original.open()) copy_attributes(original.get(), made.get());
    folders_.emplace_back(Descriptor(::dup(made.get())), image.status.st_mtim);
    return made;
  }

  Result<> write(const char* name, archive& reader, archive_entry& entry) {
    if (archive_entry_filetype(&entry) != AE_IFREG) return refused(name, "an entry that is no file");
    auto path = root_.resolve(name);
    if (!path) return fail(std::move(path.error()));
    if (const auto found = root_.look(*path); found.there && !S_ISREG(found.status.st_mode))
      return refused(name, "it is no file");
    auto folder = folder_of(*path);
    if (!folder) return fail(std::move(folder.error()));
    const Descriptor file(::openat(folder->get(), path->back().c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    struct stat status{};
    if (!file.open()) return cannot(name, "open");
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return refused(name, "it is no file");
    if (archive_read_data_into_fd(&reader, file.get()) < ARCHIVE_WARN) return cannot(name, "write");
    return dress(name, file.get(), entry);
  }

  /// Owner first: it takes setuid bits and capabilities away.
  static Result<> dress(const char* name, int file, archive_entry& entry) {
    const auto user = static_cast<uid_t>(archive_entry_uid(&entry));
    const auto group = static_cast<gid_t>(archive_entry_gid(&entry));
    if (::fchown(file, user, group) != 0) return cannot(name, "chown");
    if (::fchmod(file, archive_entry_perm(&entry)) != 0) return cannot(name, "chmod");
    const char* attribute = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    archive_entry_xattr_reset(&entry);
    while (archive_entry_xattr_next(&entry, &attribute, &value, &size) == ARCHIVE_OK) {
      if (std::string_view(attribute) == kCapability && ::fsetxattr(file, attribute, value, size, 0) != 0)
        return cannot(name, "setxattr");
    }
    set_times(file, {archive_entry_mtime(&entry), archive_entry_mtime_nsec(&entry)});
    return {};
  }

  Result<> link(const char* name, const char* other) {
    auto path = root_.resolve(name), first = root_.resolve(other);
    if (!path) return fail(std::move(path.error()));
    if (!first) return fail(std::move(first.error()));
    auto folder = folder_of(*path), where = folder_of(*first);
    if (!folder) return fail(std::move(folder.error()));
    if (!where) return fail(std::move(where.error()));
    ::unlinkat(folder->get(), path->back().c_str(), 0);
    if (::linkat(where->get(), first->back().c_str(), folder->get(), path->back().c_str(), 0) != 0)
      return cannot(name, "link");
    return {};
  }

  Merged root_;
  std::vector<std::pair<Descriptor, timespec>> folders_;  ///< that were made, and when the image's were changed
};

std::optional<std::string> read_all(int file, off_t size) {
  std::string out(static_cast<std::size_t>(size), '\0');
  for (std::size_t done = 0; done < out.size();) {
    const auto got = ::pread(file, out.data() + done, out.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    done += static_cast<std::size_t>(got);
  }
  return out;
}

Result<> write_all(const std::string& path, int file, const std::string& content) {
  for (std::size_t done = 0; done < content.size();) {
    const auto wrote = ::pwrite(file, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return cannot(path, "write");
    done += static_cast<std::size_t>(wrote);
  }
  return ::ftruncate(file, static_cast<off_t>(content.size())) == 0 ? Result<>{} : cannot(path, "truncate");
}

/// Writes what is new, and nothing else of the file changes: the kernel takes setuid bits and capabilities from a file
/// that is written to.
Result<> replace_content(const std::string& path, int file, const struct stat& before, const std::string& content) {
  std::array<char, 64> capability;
  const auto size = ::fgetxattr(file, kCapability, capability.data(), capability.size());
  if (auto written = write_all(path, file, content); !written) return written;
  if (::fchmod(file, before.st_mode & 07777) != 0) return cannot(path, "chmod");
  if (size > 0 && ::fsetxattr(file, kCapability, capability.data(), static_cast<std::size_t>(size), 0) != 0)
    return cannot(path, "setxattr");
  set_times(file, before.st_mtim);
  return {};
}

std::string replaced(std::string_view content, const std::string& was, const std::string& becomes) {
  std::string out;
  for (auto at = content.find(was); at != std::string_view::npos; at = content.find(was)) {
    out.append(content.substr(0, at)).append(becomes);
    content.remove_prefix(at + was.size());
  }
  return out.append(content);
}

Result<> rewrite_one(const Merged& root, const Rewrite& text) {
  const auto path = root.resolve(text.path);
  if (!path) return fail(path.error());
  const bool only_look = text.was == text.becomes;
  const Descriptor file = open_below(root.upper(), joined(*path), (only_look ? O_RDONLY : O_RDWR) | O_NONBLOCK);
  struct stat before{};
  if (!file.open() || ::fstat(file.get(), &before) != 0 || !S_ISREG(before.st_mode) || before.st_size > kLargest)
    return moved(text.path);
  if (text.was.empty()) return replace_content(text.path, file.get(), before, text.becomes);
  const auto content = read_all(file.get(), before.st_size);
  if (!content) return moved(text.path);
  if (!content->contains(text.was)) return content->contains(text.becomes) ? Result<>{} : moved(text.path);
  if (only_look) return {};
  // A binary's places are counted from its beginning.
  if (content->contains('\0') && text.was.size() != text.becomes.size()) return moved(text.path);
  return replace_content(text.path, file.get(), before, replaced(*content, text.was, text.becomes));
}

}  // namespace

std::optional<Layer> layer_of(const boost::json::value& inspected) {
  const auto& driver = member(inspected, "GraphDriver");
  const auto& data = member(driver, "Data");
  if (text_of(driver, "Name") != "overlay2") return std::nullopt;
  Layer out{text_of(data, "UpperDir"), {}};
  std::string_view lower;
  const auto folders = text_of(data, "LowerDir");
  for (lower = folders; !lower.empty();) {
    const auto end = std::min(lower.find(':'), lower.size());
    out.lower.emplace_back(lower.substr(0, end));
    lower.remove_prefix(std::min(end + 1, lower.size()));
  }
  return out.upper.empty() ? std::nullopt : std::optional(std::move(out));
}

Result<> unpack(const Layer& layer, const std::string& tar) { return Unpacking(layer).run(tar); }

Result<> rewrite(const Layer& layer, const std::vector<Rewrite>& texts) {
  const Merged root(layer);
  if (!root.open()) return cannot("/", "open the layer");
  for (const auto& text : texts) {
    if (auto done = rewrite_one(root, text); !done) return done;
  }
  return {};
}

}  // namespace tiltyard::engine::docker
