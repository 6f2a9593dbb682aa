#include "privileged/own_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <boost/json/object.hpp>

namespace tiltyard::privileged {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestPath = 4096, kLongestName = 255, kDeepest = 100;
constexpr std::size_t kLongestCapability = 2 * 64;  // hexadecimal digits
constexpr std::int64_t kMostId = 0xffff'fffe;
constexpr off_t kLargest = off_t{16} << 30;
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::unexpected<Error> cannot(const char* what) {
  const int why = errno;
  const bool full = why == ENOSPC || why == EDQUOT;
  return fail(full ? Code::kExhausted : Code::kInternal, full ? "disk-full" : "file-refused",
              full ? "The disk is full: a file could not be written for the instance."
                   : "A file could not be written for the instance.",
              fmt::format("{}: {}", what, std::strerror(why)));
}

/// Letters, digits and dashes, as ids are.
Result<std::string> instance_of(const Arguments& with) {
  auto id = with.text("instance", 64);
  if (!id) return id;
  const auto usual = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  if (id->empty() || id->front() == '-' || !std::ranges::all_of(*id, usual)) return refused("instance is no id");
  return id;
}

/// The names of a path from the instance's folder on.
Result<std::vector<std::string>> names_of(const Arguments& with, std::string_view argument) {
  auto text = with.text(argument, kLongestPath);
  if (!text) return fail(std::move(text.error()));
  std::vector<std::string> names;
  for (std::string_view rest = *text;;) {
    const auto end = std::min(rest.find('/'), rest.size());
    const auto name = rest.substr(0, end);
    if (name.empty() || name == "." || name == ".." || name.size() > kLongestName || name.contains('\0'))
      return refused(fmt::format("{} has a name that is none", argument));
    names.emplace_back(name);
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (names.size() < 2 || names.size() > kDeepest)
    return refused(fmt::format("{} does not lie two to {} names deep", argument, kDeepest));
  return names;
}

Descriptor enter(int at, const std::string& name) {
  ::mkdirat(at, name.c_str(), 0755);
  return Descriptor(::openat(at, name.c_str(), kFolder));
}

/// The open folder that the last of the names is in.
Result<Descriptor> parent_of(int folder, const std::string& instance, const std::vector<std::string>& names) {
  Descriptor here = enter(folder, instance);
  for (std::size_t i = 0; here.open() && i + 1 < names.size(); ++i) here = enter(here.get(), names[i]);
  if (!here.open()) return cannot("open a folder");
  return here;
}

/// Where a verb works: the folder that a name is in, and the name.
struct Place {
  Descriptor parent;
  std::string name;
};

Result<Place> place_of(int folder, const Arguments& with, std::string_view argument) {
  auto instance = instance_of(with);
  if (!instance) return fail(std::move(instance.error()));
  auto names = names_of(with, argument);
  if (!names) return fail(std::move(names.error()));
  auto parent = parent_of(folder, *instance, *names);
  if (!parent) return fail(std::move(parent.error()));
  return Place{std::move(*parent), names->back()};
}

Result<std::string> capability_of(const Arguments& with) {
  auto digits = with.text("capability", kLongestCapability);
  if (!digits) return digits;
  std::string bytes(digits->size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    unsigned char byte = 0;
    const char* const at = digits->data() + 2 * i;
    if (std::from_chars(at, at + 2, byte, 16).ptr != at + 2) return refused("capability is not hexadecimal");
    bytes[i] = static_cast<char>(byte);
  }
  return bytes;
}

Result<> copy(int from, off_t size, int to) {
  std::array<char, 64 * 1024> piece;
  for (off_t done = 0; done < size;) {
    const auto got =
        ::pread(from, piece.data(), std::min<std::size_t>(piece.size(), static_cast<std::size_t>(size - done)), done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot("read the content");
    if (got == 0) break;
    for (ssize_t written = 0; written < got;) {
      const auto wrote = ::pwrite(to, piece.data() + written, static_cast<std::size_t>(got - written), done + written);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return cannot("write");
      written += wrote;
    }
    done += got;
  }
  return ::ftruncate(to, size) == 0 ? Result<>{} : cannot("truncate");
}

struct Facts {
  std::int64_t user, group, mode, seconds, nanos;
  std::string capability;
};

Result<Facts> facts_of(const Arguments& with) {
  auto user = with.number("user", 0, kMostId), group = with.number("group", 0, kMostId);
  auto mode = with.number("mode", 0, 07777), nanos = with.number("nanos", 0, 999'999'999);
  auto seconds = with.number("seconds", -(std::int64_t{1} << 40), std::int64_t{1} << 40);
  auto capability = capability_of(with);
  for (auto* each : {&user, &group, &mode, &nanos, &seconds}) {
    if (!*each) return fail(std::move(each->error()));
  }
  if (!capability) return fail(std::move(capability.error()));
  return Facts{*user, *group, *mode, *seconds, *nanos, std::move(*capability)};
}

/// Owner first: it takes setuid bits and capabilities away.
Result<> dress(int file, const Facts& facts) {
  if (::fchown(file, static_cast<uid_t>(facts.user), static_cast<gid_t>(facts.group)) != 0) return cannot("chown");
  if (::fchmod(file, static_cast<mode_t>(facts.mode)) != 0) return cannot("chmod");
  if (!facts.capability.empty() &&
      ::fsetxattr(file, "security.capability", facts.capability.data(), facts.capability.size(), 0) != 0)
    return cannot("setxattr");
  const timespec time{facts.seconds, static_cast<long>(facts.nanos)};
  const std::array<timespec, 2> times{time, time};
  return ::futimens(file, times.data()) == 0 ? Result<>{} : cannot("utimens");
}

Result<json::object> answer(Result<> done) {
  if (!done) return fail(std::move(done.error()));
  return json::object();
}

Result<json::object> place(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path", "user", "group", "mode", "seconds", "nanos", "capability"}); !known)
    return fail(std::move(known.error()));
  auto facts = facts_of(with);
  if (!facts) return fail(std::move(facts.error()));
  struct stat content{}, there{};
  // Nothing that could keep us waiting.
  if (with.file() < 0 || ::fstat(with.file(), &content) != 0 || !S_ISREG(content.st_mode) || content.st_size > kLargest)
    return refused("the content is no open file, or a huge one");
  auto at = place_of(folder, with, "path");
  if (!at) return fail(std::move(at.error()));
  const Descriptor file(
      ::openat(at->parent.get(), at->name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file.open()) return cannot("open");
  if (::fstat(file.get(), &there) != 0 || !S_ISREG(there.st_mode) || there.st_nlink != 1)
    return refused("there is something that is no file of one name");
  if (auto copied = copy(with.file(), content.st_size, file.get()); !copied) return fail(std::move(copied.error()));
  return answer(dress(file.get(), *facts));
}

Result<json::object> make_folder(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path", "mode"}); !known) return fail(std::move(known.error()));
  const auto mode = with.number("mode", 0, 07777);
  if (!mode) return fail(mode.error());
  auto at = place_of(folder, with, "path");
  if (!at) return fail(std::move(at.error()));
  const Descriptor made = enter(at->parent.get(), at->name);
  return answer(made.open() && ::fchmod(made.get(), static_cast<mode_t>(*mode)) == 0 ? Result<>{} : cannot("mkdir"));
}

Result<json::object> link(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path", "target"}); !known) return fail(std::move(known.error()));
  const auto target = with.text("target", kLongestPath);
  if (!target) return fail(target.error());
  if (target->empty() || target->contains('\0')) return refused("target is no path");
  auto at = place_of(folder, with, "path");
  if (!at) return fail(std::move(at.error()));
  // It leads somewhere in a machine only: here nothing follows links.
  const bool made = ::symlinkat(target->c_str(), at->parent.get(), at->name.c_str()) == 0 || errno == EEXIST;
  return answer(made ? Result<>{} : cannot("symlink"));
}

Result<json::object> move(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "from", "to"}); !known) return fail(std::move(known.error()));
  auto from = place_of(folder, with, "from"), to = place_of(folder, with, "to");
  if (!from) return fail(std::move(from.error()));
  if (!to) return fail(std::move(to.error()));
  const bool moved =
      ::renameat2(from->parent.get(), from->name.c_str(), to->parent.get(), to->name.c_str(), RENAME_NOREPLACE) == 0;
  return answer(moved ? Result<>{} : cannot("rename"));
}

Result<json::object> there(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path"}); !known) return fail(std::move(known.error()));
  auto at = place_of(folder, with, "path");
  if (!at) return fail(std::move(at.error()));
  struct stat status{};
  return json::object{{"there", ::fstatat(at->parent.get(), at->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0}};
}

Result<Descriptor> open_roots_own(const std::string& path) {
  ::mkdir(path.c_str(), 0700);
  Descriptor folder(::open(path.c_str(), kFolder));
  struct stat status{};
  if (!folder.open() || ::fstat(folder.get(), &status) != 0 || status.st_uid != 0 || (status.st_mode & 077) != 0) {
    return fail(
        Code::kInvalid, "files-unfit",
        fmt::format("The folder of instances' own files, {}, must be root's alone: chown root {} && chmod 700 {}", path,
                    path, path));
  }
  return folder;
}

}  // namespace

Result<std::vector<Verb>> file_verbs(const std::string& folder, std::function<Result<>(const std::string&)> take) {
  auto opened = open_roots_own(folder);
  if (!opened) return fail(std::move(opened.error()));
  const auto root = std::make_shared<Descriptor>(std::move(*opened));
  const auto in_folder = [root](Result<json::object> (*work)(int, const Arguments&)) {
    return [root, work](const Arguments& with) { return work(root->get(), with); };
  };
  auto taking = [take = std::move(take)](const Arguments& with) -> Result<json::object> {
    if (auto known = with.only({"instance"}); !known) return fail(std::move(known.error()));
    const auto instance = instance_of(with);
    if (!instance) return fail(instance.error());
    return answer(take(*instance));
  };
  return std::vector<Verb>{{"files.place", in_folder(place)}, {"files.folder", in_folder(make_folder)},
                           {"files.link", in_folder(link)},   {"files.move", in_folder(move)},
                           {"files.there", in_folder(there)}, {"files.take", std::move(taking)}};
}

}  // namespace tiltyard::privileged
