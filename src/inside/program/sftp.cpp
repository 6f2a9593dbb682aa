// The SSH file transfer protocol, version 3 (draft-ietf-secsh-filexfer-02), with those of OpenSSH's extensions that its
// clients use (PROTOCOL, section 4, in its sources). One request after the other, with the rights of who started it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <ctime>

#include "inside/program/wire.h"

namespace tiltyard::inside {
namespace {

enum Type : std::uint8_t {
  kInit = 1,
  kVersion,
  kOpen,
  kClose,
  kRead,
  kWrite,
  kLstat,
  kFstat,
  kSetstat,
  kFsetstat,
  kOpendir,
  kReaddir,
  kRemove,
  kMkdir,
  kRmdir,
  kRealpath,
  kStat,
  kRename,
  kReadlink,
  kSymlink,
  kStatus = 101,
  kHandle,
  kData,
  kName,
  kAttrs,
  kExtended = 200,
  kExtendedReply,
};  // clang-format: the draft's order
enum Code : std::uint32_t { kOk, kEof, kNoSuchFile, kDenied, kFailure, kBadMessage, kUnsupported = 8 };
constexpr std::uint32_t kHasSize = 1, kHasOwner = 2, kHasMode = 4, kHasTimes = 8;
constexpr std::uint32_t kForRead = 1, kForWrite = 2, kAppend = 4, kCreate = 8, kTruncate = 16, kExclusive = 32;
constexpr std::size_t kMostNames = 64;  // of a folder in one answer
constexpr std::size_t kLongestName = 2 * 256 + 200;
constexpr int kMostHandles = 128;

struct Open {
  int file = -1;
  DIR* folder = nullptr;
  bool append = false;
  bool used() const { return file >= 0 || folder != nullptr; }
};
Open opened[kMostHandles];
Writer out;
unsigned char packet[kMostPacket];

struct Attributes {
  std::uint32_t flags = 0, uid = 0, gid = 0, mode = 0, accessed = 0, modified = 0;
  std::uint64_t size = 0;
};

Attributes read_attributes(Reader& in) {
  Attributes read;
  read.flags = in.word();
  if (read.flags & kHasSize) read.size = in.wide();
  if (read.flags & kHasOwner) read.uid = in.word(), read.gid = in.word();
  if (read.flags & kHasMode) read.mode = in.word();
  if (read.flags & kHasTimes) read.accessed = in.word(), read.modified = in.word();
  // A size that did not come must not become a size of nothing.
  if (!in.good()) read.flags = 0;
  return read;
}

void write_attributes(const struct stat& facts) {
  out.word(kHasSize | kHasOwner | kHasMode | kHasTimes);
  out.wide(static_cast<std::uint64_t>(facts.st_size));
  out.word(facts.st_uid);
  out.word(facts.st_gid);
  out.word(facts.st_mode);
  out.word(static_cast<std::uint32_t>(facts.st_atime));
  out.word(static_cast<std::uint32_t>(facts.st_mtime));
}

void status(std::uint32_t id, std::uint32_t code, const char* text) {
  out.begin(kStatus);
  out.word(id);
  out.word(code);
  out.text(text);
  out.text("");
}

std::uint32_t code_of(int number) {
  switch (number) {
    case 0:
      return kOk;
    case ENOENT:
    case ENOTDIR:
    case EBADF:
    case ELOOP:
      return kNoSuchFile;
    case EPERM:
    case EACCES:
    case EFAULT:
      return kDenied;
    case ENAMETOOLONG:
    case EINVAL:
      return kBadMessage;
    case ENOSYS:
    case EOPNOTSUPP:
      return kUnsupported;
    default:
      return kFailure;
  }
}

/// What a call of the system has come to.
void outcome(std::uint32_t id, bool good) {
  const int number = good ? 0 : errno;
  status(id, code_of(number), good ? "Success" : std::strerror(number));
}

bool refused(std::uint32_t id, const Path& path) {
  if (path.good()) return false;
  status(id, kBadMessage, "No path");
  return true;
}

Open* find(std::string_view handle) {
  if (handle.size() != 4) return nullptr;
  Reader in(reinterpret_cast<const unsigned char*>(handle.data()), 4);
  const auto index = in.word();
  return index < kMostHandles && opened[index].used() ? &opened[index] : nullptr;
}

Open* free_place() {
  for (auto& one : opened) {
    if (!one.used()) return &one;
  }
  return nullptr;
}

void answer_handle(std::uint32_t id, const Open* one) {
  out.begin(kHandle);
  out.word(id);
  out.word(4);
  out.word(static_cast<std::uint32_t>(one - opened));
}

void open_file(std::uint32_t id, Reader& in) {
  const Path path(in.text());
  const auto flags = in.word();
  const auto wanted = read_attributes(in);
  if (refused(id, path)) return;
  auto* const place = free_place();
  if (place == nullptr) return status(id, kFailure, "Too many open files");
  // A pipe that nobody writes to would hold up everything else.
  int how = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  how |= flags & kForWrite ? (flags & kForRead ? O_RDWR : O_WRONLY) : O_RDONLY;
  if (flags & kAppend) how |= O_APPEND;
  if (flags & kCreate) how |= O_CREAT | (flags & kExclusive ? O_EXCL : 0);
  if (flags & kTruncate) how |= O_TRUNC;
  place->file = ::open(path.c_str(), how, wanted.flags & kHasMode ? wanted.mode & 07777 : 0666);
  place->append = (flags & kAppend) != 0;
  if (place->file < 0) return outcome(id, false);
  answer_handle(id, place);
}

void close_handle(std::uint32_t id, Reader& in) {
  auto* const one = find(in.text());
  if (one == nullptr) return status(id, kFailure, "No such handle");
  const bool good = one->folder != nullptr ? ::closedir(one->folder) == 0 : ::close(one->file) == 0;
  *one = Open{};
  outcome(id, good);
}

void read_file(std::uint32_t id, Reader& in) {
  auto* const one = find(in.text());
  const auto offset = in.wide();
  const auto want = std::min<std::size_t>(in.word(), kMostData);
  if (one == nullptr || one->file < 0) return status(id, kFailure, "No such handle");
  out.begin(kData);
  out.word(id);
  auto count = ::pread(one->file, out.space(), want, static_cast<off_t>(offset));
  // What has no places, such as a pipe, is read from where it is.
  if (count < 0 && errno == ESPIPE) count = ::read(one->file, out.space(), want);
  if (count < 0) return outcome(id, false);
  if (count == 0 && want > 0) return status(id, kEof, "End of file");
  out.took(static_cast<std::size_t>(count));
}

void write_file(std::uint32_t id, Reader& in) {
  auto* const one = find(in.text());
  auto offset = in.wide();
  auto data = in.text();
  if (!in.good()) return status(id, kBadMessage, "The packet is cut short");
  if (one == nullptr || one->file < 0) return status(id, kFailure, "No such handle");
  while (!data.empty()) {
    const auto count = one->append ? ::write(one->file, data.data(), data.size())
                                   : ::pwrite(one->file, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return outcome(id, false);
    data.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  outcome(id, true);
}

void answer_stat(std::uint32_t id, bool good, const struct stat& facts) {
  if (!good) return outcome(id, false);
  out.begin(kAttrs);
  out.word(id);
  write_attributes(facts);
}

void stat_path(std::uint32_t id, Reader& in, int flags) {
  const Path path(in.text());
  if (refused(id, path)) return;
  struct stat facts{};
  const bool good = ::fstatat(AT_FDCWD, path.c_str(), &facts, flags) == 0;
  answer_stat(id, good, facts);
}

int file_of(const Open& one) { return one.folder != nullptr ? ::dirfd(one.folder) : one.file; }

void stat_handle(std::uint32_t id, Reader& in) {
  const auto* const one = find(in.text());
  if (one == nullptr) return status(id, kFailure, "No such handle");
  struct stat facts{};
  const bool good = ::fstat(file_of(*one), &facts) == 0;
  answer_stat(id, good, facts);
}

/// `flags` are for a path alone, and say whether it is a link itself that is meant.
bool set_attributes(int file, const char* path, const Attributes& wanted, int flags) {
  if (wanted.flags & kHasSize) {
    const auto size = static_cast<off_t>(wanted.size);
    if ((path ? ::truncate(path, size) : ::ftruncate(file, size)) != 0) return false;
  }
  if (wanted.flags & kHasMode) {
    const auto mode = static_cast<mode_t>(wanted.mode & 07777);
    if ((path ? ::fchmodat(AT_FDCWD, path, mode, flags) : ::fchmod(file, mode)) != 0) return false;
  }
  if (wanted.flags & kHasTimes) {
    const timespec times[2] = {{static_cast<time_t>(wanted.accessed), 0}, {static_cast<time_t>(wanted.modified), 0}};
    if ((path ? ::utimensat(AT_FDCWD, path, times, flags) : ::futimens(file, times)) != 0) return false;
  }
  if (wanted.flags & kHasOwner) {
    if ((path ? ::fchownat(AT_FDCWD, path, wanted.uid, wanted.gid, flags) : ::fchown(file, wanted.uid, wanted.gid)) !=
        0)
      return false;
  }
  return true;
}

void set_of_path(std::uint32_t id, Reader& in, int flags) {
  const Path path(in.text());
  const auto wanted = read_attributes(in);
  if (!refused(id, path)) outcome(id, set_attributes(-1, path.c_str(), wanted, flags));
}

void set_of_handle(std::uint32_t id, Reader& in) {
  const auto* const one = find(in.text());
  const auto wanted = read_attributes(in);
  if (one == nullptr) return status(id, kFailure, "No such handle");
  outcome(id, set_attributes(file_of(*one), nullptr, wanted, 0));
}

void open_folder(std::uint32_t id, Reader& in) {
  const Path path(in.text());
  if (refused(id, path)) return;
  auto* const place = free_place();
  if (place == nullptr) return status(id, kFailure, "Too many open files");
  place->folder = ::opendir(path.c_str());
  if (place->folder == nullptr) return outcome(id, false);
  answer_handle(id, place);
}

char kind_letter(mode_t mode) {
  if (S_ISDIR(mode)) return 'd';
  if (S_ISLNK(mode)) return 'l';
  if (S_ISCHR(mode)) return 'c';
  if (S_ISBLK(mode)) return 'b';
  if (S_ISFIFO(mode)) return 'p';
  return S_ISSOCK(mode) ? 's' : '-';
}

/// The line of `ls -l` that the protocol has each name bring along.
std::size_t long_line(char* line, std::size_t room, const char* name, const struct stat& facts) {
  char mode[11] = "?rwxrwxrwx";
  mode[0] = kind_letter(facts.st_mode);
  for (int i = 0; i < 9; ++i) {
    if (!(facts.st_mode & (0400 >> i))) mode[i + 1] = '-';
  }
  char when[32] = "";
  tm parts{};
  if (::gmtime_r(&facts.st_mtime, &parts) != nullptr) std::strftime(when, sizeof when, "%b %e %Y", &parts);
  const int size =
      std::snprintf(line, room, "%s %3lu %-8u %-8u %8lld %s %s", mode, static_cast<unsigned long>(facts.st_nlink),
                    facts.st_uid, facts.st_gid, static_cast<long long>(facts.st_size), when, name);
  return std::min(static_cast<std::size_t>(std::max(size, 0)), room - 1);
}

void read_folder(std::uint32_t id, Reader& in) {
  auto* const one = find(in.text());
  if (one == nullptr || one->folder == nullptr) return status(id, kFailure, "No such handle");
  out.begin(kName);
  out.word(id);
  const auto place = out.size();
  out.word(0);
  std::uint32_t count = 0;
  while (count < kMostNames) {
    errno = 0;
    const auto* const entry = ::readdir(one->folder);
    if (entry == nullptr) break;
    struct stat facts{};
    if (::fstatat(::dirfd(one->folder), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
    char line[kLongestName];
    const auto size = long_line(line, sizeof line, entry->d_name, facts);
    out.text(entry->d_name);
    out.text({line, size});
    write_attributes(facts);
    ++count;
  }
  if (count == 0 && errno != 0) return outcome(id, false);
  if (count == 0) return status(id, kEof, "End of folder");
  out.set_word(place, count);
}

void answer_name(std::uint32_t id, std::string_view name) {
  out.begin(kName);
  out.word(id);
  out.word(1);
  out.text(name);
  out.text(name);
  out.word(0);
}

/// As OpenSSH's does: where all but the last part is there, it is a path too.
void answer_real_path(std::uint32_t id, std::string_view wanted) {
  const Path path(wanted.empty() ? "." : wanted);
  if (refused(id, path)) return;
  char real[PATH_MAX];
  if (::realpath(path.c_str(), real) != nullptr) return answer_name(id, real);
  if (errno != ENOENT) return outcome(id, false);
  const std::string_view text(path.c_str());
  const auto slash = text.rfind('/');
  const auto last = slash == text.npos ? text : text.substr(slash + 1);
  const Path before(slash == text.npos ? "." : slash == 0 ? "/" : text.substr(0, slash));
  if (last.empty() || last == "." || last == ".." || ::realpath(before.c_str(), real) == nullptr)
    return status(id, kNoSuchFile, "No such file or directory");
  static char whole[PATH_MAX + 260];
  const int size = std::snprintf(whole, sizeof whole, "%s%s%.*s", real, real[1] ? "/" : "",
                                 static_cast<int>(std::min<std::size_t>(last.size(), 256)), last.data());
  answer_name(id, {whole, static_cast<std::size_t>(size)});
}

const char* home() {
  const char* const named = ::getenv("HOME");
  return named != nullptr && named[0] == '/' ? named : "/";
}

/// "~" and what is below it; a home of somebody else is not known here.
void expand_path(std::uint32_t id, std::string_view wanted) {
  if (wanted != "~" && !wanted.starts_with("~/")) return answer_real_path(id, wanted);
  static char whole[PATH_MAX];
  const int size =
      std::snprintf(whole, sizeof whole, "%s%.*s", home(), static_cast<int>(wanted.size() - 1), wanted.data() + 1);
  if (size < 0 || static_cast<std::size_t>(size) >= sizeof whole)
    return status(id, kBadMessage, "The path is too long");
  answer_real_path(id, {whole, static_cast<std::size_t>(size)});
}

void read_link(std::uint32_t id, Reader& in) {
  const Path path(in.text());
  if (refused(id, path)) return;
  char target[PATH_MAX];
  const auto size = ::readlink(path.c_str(), target, sizeof target);
  if (size < 0) return outcome(id, false);
  answer_name(id, {target, static_cast<std::size_t>(size)});
}

/// Two paths and what is done with them.
void with_two(std::uint32_t id, Reader& in, int (*call)(const char*, const char*)) {
  const Path first(in.text()), second(in.text());
  if (refused(id, first) || refused(id, second)) return;
  outcome(id, call(first.c_str(), second.c_str()) == 0);
}

/// The protocol's own rename replaces nothing.
int rename_to_new(const char* from, const char* to) {
  return ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

void make_folder(std::uint32_t id, Reader& in) {
  const Path path(in.text());
  const auto wanted = read_attributes(in);
  if (refused(id, path)) return;
  outcome(id, ::mkdir(path.c_str(), wanted.flags & kHasMode ? wanted.mode & 07777 : 0777) == 0);
}

void with_one(std::uint32_t id, Reader& in, int (*call)(const char*)) {
  const Path path(in.text());
  if (!refused(id, path)) outcome(id, call(path.c_str()) == 0);
}

void answer_space(std::uint32_t id, bool good, const struct statvfs& facts) {
  if (!good) return outcome(id, false);
  out.begin(kExtendedReply);
  out.word(id);
  for (const std::uint64_t value :
       {std::uint64_t{facts.f_bsize}, std::uint64_t{facts.f_frsize}, std::uint64_t{facts.f_blocks},
        std::uint64_t{facts.f_bfree}, std::uint64_t{facts.f_bavail}, std::uint64_t{facts.f_files},
        std::uint64_t{facts.f_ffree}, std::uint64_t{facts.f_favail}, std::uint64_t{facts.f_fsid},
        std::uint64_t{(facts.f_flag & ST_RDONLY ? 1U : 0U) | (facts.f_flag & ST_NOSUID ? 2U : 0U)},
        std::uint64_t{facts.f_namemax}})
    out.wide(value);
}

void answer_limits(std::uint32_t id) {
  out.begin(kExtendedReply);
  out.word(id);
  out.wide(kMostPacket);
  out.wide(kMostData);
  out.wide(kMostData);
  out.wide(kMostHandles);
}

void extended(std::uint32_t id, Reader& in) {
  const auto name = in.text();
  struct statvfs facts{};
  if (name == "posix-rename@openssh.com") return with_two(id, in, ::rename);
  if (name == "hardlink@openssh.com") return with_two(id, in, ::link);
  if (name == "lsetstat@openssh.com") return set_of_path(id, in, AT_SYMLINK_NOFOLLOW);
  if (name == "limits@openssh.com") return answer_limits(id);
  if (name == "expand-path@openssh.com") return expand_path(id, in.text());
  if (name == "home-directory") return answer_name(id, home());
  if (name == "statvfs@openssh.com") {
    const Path path(in.text());
    if (refused(id, path)) return;
    const bool good = ::statvfs(path.c_str(), &facts) == 0;
    return answer_space(id, good, facts);
  }
  const auto* const one = name == "fsync@openssh.com" || name == "fstatvfs@openssh.com" ? find(in.text()) : nullptr;
  if (one == nullptr) return status(id, kUnsupported, "No such request");
  if (name == "fsync@openssh.com") return outcome(id, ::fsync(file_of(*one)) == 0);
  const bool good = ::fstatvfs(file_of(*one), &facts) == 0;
  answer_space(id, good, facts);
}

void begin() {
  out.begin(kVersion);
  out.word(3);
  for (const char* name : {"posix-rename@openssh.com", "hardlink@openssh.com", "lsetstat@openssh.com",
                           "limits@openssh.com", "expand-path@openssh.com", "fsync@openssh.com", "home-directory"}) {
    out.text(name);
    out.text("1");
  }
  for (const char* name : {"statvfs@openssh.com", "fstatvfs@openssh.com"}) {
    out.text(name);
    out.text("2");
  }
}

void answer(std::uint8_t type, std::uint32_t id, Reader& in) {
  switch (type) {
    case kOpen:
      return open_file(id, in);
    case kClose:
      return close_handle(id, in);
    case kRead:
      return read_file(id, in);
    case kWrite:
      return write_file(id, in);
    case kLstat:
      return stat_path(id, in, AT_SYMLINK_NOFOLLOW);
    case kStat:
      return stat_path(id, in, 0);
    case kFstat:
      return stat_handle(id, in);
    case kSetstat:
      return set_of_path(id, in, 0);
    case kFsetstat:
      return set_of_handle(id, in);
    case kOpendir:
      return open_folder(id, in);
    case kReaddir:
      return read_folder(id, in);
    case kRemove:
      return with_one(id, in, ::unlink);
    case kRmdir:
      return with_one(id, in, ::rmdir);
    case kMkdir:
      return make_folder(id, in);
    case kRealpath:
      return answer_real_path(id, in.text());
    case kRename:
      return with_two(id, in, rename_to_new);
    case kReadlink:
      return read_link(id, in);
    // OpenSSH's order, which everybody has followed: the target comes first.
    case kSymlink:
      return with_two(id, in, ::symlink);
    case kExtended:
      return extended(id, in);
    default:
      return status(id, kUnsupported, "No such request");
  }
}

}  // namespace

int serve_sftp() {
  unsigned char head[4];
  while (read_all(0, head, sizeof head)) {
    const auto size = Reader(head, sizeof head).word();
    if (size == 0 || size > sizeof packet || !read_all(0, packet, size)) return 1;
    Reader in(packet, size);
    const auto type = in.byte();
    if (type == kInit) begin();
    else answer(type, in.word(), in);
    const auto* const bytes = out.finish();
    if (!write_all(1, bytes, out.size())) return 1;
  }
  return 0;
}

}  // namespace tiltyard::inside
