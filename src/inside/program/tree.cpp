// Trees in the machine: as an archive, and away. Both go by open folders and follow no link, so that a tree that is
// changed meanwhile leads nowhere else.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "inside/program/wire.h"

namespace tiltyard::inside {
namespace {

constexpr int kDeepest = 200;  // folders in one another; each is two open files
constexpr std::size_t kBlock = 512;

bool say(const char* path, const char* why) {
  char line[4400];
  const int size = std::snprintf(line, sizeof line, "%s: %s\n", path, why);
  write_all(2, line, static_cast<std::size_t>(size));
  return false;
}

/// A path that grows and shrinks with the walk.
struct Way {
  char text[4096] = {};
  std::size_t size = 0;

  bool enter(const char* name) {
    const auto length = std::strlen(name);
    if (size + length + 2 > sizeof text) return false;
    if (size > 0 && text[size - 1] != '/') text[size++] = '/';
    std::memcpy(text + size, name, length + 1);
    size += length;
    return true;
  }
  void leave(std::size_t to) {
    size = to;
    text[size] = '\0';
  }
};

bool is_dots(const char* name) { return std::string_view(name) == "." || std::string_view(name) == ".."; }

// As an archive: POSIX.1-2001 "pax", whose headers are those of ustar.

struct Header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
  char user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
static_assert(sizeof(Header) == kBlock);

/// An octal number that fills its field but for the zero at the end; what is too large is said in the pax header.
void octal(char* field, std::size_t size, std::uint64_t value) {
  for (std::size_t i = size - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
}

bool put_header(Header& header) {
  std::memcpy(header.magic, "ustar", 6);
  std::memcpy(header.version, "00", 2);
  std::memset(header.checksum, ' ', sizeof header.checksum);
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += reinterpret_cast<const unsigned char*>(&header)[i];
  octal(header.checksum, 7, sum);
  header.checksum[6] = '\0';
  return write_all(1, &header, kBlock);
}

bool pad(std::uint64_t size) {
  static constexpr char kZeros[kBlock] = {};
  return write_all(1, kZeros, (kBlock - size % kBlock) % kBlock);
}

/// One record of a pax header: its own length in it, "LENGTH key=value\n".
std::size_t record(char* out, std::size_t room, const char* key, const char* value) {
  std::size_t size = std::strlen(key) + std::strlen(value) + 3;
  std::size_t digits = 1;
  for (std::size_t limit = 10; size + digits >= limit; limit *= 10) ++digits;
  size += digits;
  if (size >= room) return 0;
  std::snprintf(out, room, "%zu %s=%s\n", size, key, value);
  return size;
}

/// What does not fit into the header itself: long names, and sizes of 8 GiB and more.
bool put_extra(const char* name, const char* link, std::uint64_t size) {
  static char records[3 * 4096];
  std::size_t filled = 0;
  if (std::strlen(name) > 99) filled += record(records + filled, sizeof records - filled, "path", name);
  if (link != nullptr && std::strlen(link) > 99)
    filled += record(records + filled, sizeof records - filled, "linkpath", link);
  if (size >= (std::uint64_t{1} << 33)) {
    char digits[24];
    std::snprintf(digits, sizeof digits, "%llu", static_cast<unsigned long long>(size));
    filled += record(records + filled, sizeof records - filled, "size", digits);
  }
  if (filled == 0) return true;
  Header header{};
  std::memcpy(header.name, "pax", 3);
  octal(header.mode, sizeof header.mode, 0644);
  octal(header.size, sizeof header.size, filled);
  header.type = 'x';
  return put_header(header) && write_all(1, records, filled) && pad(filled);
}

bool put_entry(const char* name, const struct stat& facts, char type, const char* link, std::uint64_t size) {
  if (!put_extra(name, link, size)) return false;
  Header header{};
  std::memcpy(header.name, name, std::min<std::size_t>(std::strlen(name), sizeof header.name - 1));
  if (link != nullptr) std::memcpy(header.link, link, std::min<std::size_t>(std::strlen(link), sizeof header.link - 1));
  octal(header.mode, sizeof header.mode, facts.st_mode & 07777);
  octal(header.uid, sizeof header.uid, facts.st_uid);
  octal(header.gid, sizeof header.gid, facts.st_gid);
  octal(header.size, sizeof header.size, size);
  octal(header.mtime, sizeof header.mtime, facts.st_mtime > 0 ? static_cast<std::uint64_t>(facts.st_mtime) : 0);
  header.type = type;
  return put_header(header);
}

/// As many bytes as its header says, whatever becomes of the file meanwhile.
bool put_content(int file, std::uint64_t size) {
  static char bytes[128 * 1024];
  for (std::uint64_t left = size; left > 0;) {
    const auto want = std::min<std::uint64_t>(left, sizeof bytes);
    const auto count = ::read(file, bytes, want);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) std::memset(bytes, 0, want);
    const auto got = count > 0 ? static_cast<std::uint64_t>(count) : want;
    if (!write_all(1, bytes, got)) return false;
    left -= got;
  }
  return pad(size);
}

/// What the kernel makes up has no end.
bool made_up(int folder) {
  struct statfs facts{};
  if (::fstatfs(folder, &facts) != 0) return false;
  const auto kind = static_cast<unsigned long>(facts.f_type);
  return kind == 0x9fa0 || kind == 0x62656572 || kind == 0x27e0eb || kind == 0x63677270 || kind == 0x64626720;
}

struct Archive {
  Way name;           ///< in the archive
  bool whole = true;  ///< nothing had to be left out
};

bool put_one(Archive& archive, int folder, const char* name, int depth);

/// False: the reader has gone.
bool put_folder(Archive& archive, int folder, const struct stat& facts, int depth) {
  const auto begin = archive.name.size;
  if (!archive.name.enter("")) archive.whole = say(archive.name.text, "the path is too long");
  if (!put_entry(archive.name.text, facts, '5', nullptr, 0)) return false;
  archive.name.leave(begin);
  DIR* const entries = depth < kDeepest && !made_up(folder) ? ::fdopendir(::dup(folder)) : nullptr;
  if (entries == nullptr) {
    archive.whole = say(archive.name.text, "left out");
    return true;
  }
  bool reader = true;
  while (const auto* entry = reader ? ::readdir(entries) : nullptr) {
    if (is_dots(entry->d_name)) continue;
    if (!archive.name.enter(entry->d_name)) {
      archive.whole = say(archive.name.text, "the path of what is in it is too long");
      continue;
    }
    reader = put_one(archive, folder, entry->d_name, depth + 1);
    archive.name.leave(begin);
  }
  ::closedir(entries);
  return reader;
}

bool put_link(Archive& archive, int folder, const char* name, const struct stat& facts) {
  char target[4096] = {};
  if (::readlinkat(folder, name, target, sizeof target - 1) < 0) {
    archive.whole = say(archive.name.text, "the link cannot be read");
    return true;
  }
  return put_entry(archive.name.text, facts, '2', target, 0);
}

bool put_one(Archive& archive, int folder, const char* name, int depth) {
  struct stat facts{};
  if (::fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) != 0) return true;  // it has just gone
  if (S_ISLNK(facts.st_mode)) return put_link(archive, folder, name, facts);
  if (!S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) return true;  // a device, a pipe or a socket holds no file
  const int file = ::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0 || ::fstat(file, &facts) != 0) {
    if (file >= 0) ::close(file);
    archive.whole = say(archive.name.text, std::strerror(errno));
    return true;
  }
  bool reader = true;
  if (S_ISDIR(facts.st_mode)) reader = put_folder(archive, file, facts, depth);
  else if (S_ISREG(facts.st_mode)) {
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    reader = put_entry(archive.name.text, facts, '0', nullptr, size) && put_content(file, size);
  }
  ::close(file);
  return reader;
}

// Away.

bool remove_at(int folder, const char* name, int depth);

bool empty_folder(int folder, int depth) {
  DIR* const entries = depth < kDeepest ? ::fdopendir(::dup(folder)) : nullptr;
  if (entries == nullptr) return false;
  bool all = true;
  while (const auto* entry = ::readdir(entries)) {
    if (!is_dots(entry->d_name)) all &= remove_at(folder, entry->d_name, depth + 1);
  }
  ::closedir(entries);
  return all;
}

bool remove_at(int folder, const char* name, int depth) {
  if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return say(name, std::strerror(errno));
  const int inner = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner < 0) return say(name, std::strerror(errno));
  empty_folder(inner, depth);
  ::close(inner);
  if (::unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  return say(name, std::strerror(errno));
}

}  // namespace

int write_tar(const char* path) {
  static Archive archive;
  std::string_view text(path);
  while (text.size() > 1 && text.back() == '/') text.remove_suffix(1);
  const auto slash = text.rfind('/');
  const auto name = slash == text.npos ? text : text.substr(slash + 1);
  const Path own(name.empty() ? "." : name);
  if (!own.good() || !archive.name.enter(own.c_str())) return 64;
  // Who asks for a link means what it leads to; links below it stay links.
  const int file = ::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat facts{};
  if (file < 0 || ::fstat(file, &facts) != 0) {
    say(path, std::strerror(errno));
    return 66;
  }
  if (!S_ISDIR(facts.st_mode)) {
    say(path, "is no folder");
    return 66;
  }
  static constexpr char kEnd[2 * kBlock] = {};
  if (!put_folder(archive, file, facts, 0) || !write_all(1, kEnd, sizeof kEnd)) return 74;
  return archive.whole ? 0 : 1;
}

int remove_tree(const char* path) { return remove_at(AT_FDCWD, path, 0) ? 0 : 1; }

}  // namespace tiltyard::inside
