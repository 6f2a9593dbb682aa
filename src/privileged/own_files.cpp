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
#include <filesystem>
#include <memory>

#include <boost/json/object.hpp>

namespace tiltyard::privileged {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestId = 64, kLongestPath = 4096, kLongestName = 255, kDeepest = 100;
constexpr std::size_t kLongestCapability = 2 * 64;  // hexadecimal digits
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
Result<> check_instance(const std::string& id) {
  const auto usual = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; };
  if (id.empty() || id.front() == '-' || !std::ranges::all_of(id, usual)) return refused("instance is no id");
  return {};
}

/// The names of a path from the instance's folder on.
Result<std::vector<std::string>> names_of(std::string_view path) {
  std::vector<std::string> names;
  for (std::string_view rest = path;;) {
    const auto end = std::min(rest.find('/'), rest.size());
    const auto name = rest.substr(0, end);
    if (name.empty() || name == "." || name == ".." || name.size() > kLongestName || name.contains('\0'))
      return refused("a path has a name that is none");
    names.emplace_back(name);
    if (end == rest.size()) break;
    rest.remove_prefix(end + 1);
  }
  if (names.size() < 2 || names.size() > kDeepest)
    return refused(fmt::format("a path does not lie two to {} names deep", kDeepest));
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

Result<Place> place_of(int folder, const std::string& instance, const std::string& path) {
  if (auto id = check_instance(instance); !id) return fail(std::move(id.error()));
  auto names = names_of(path);
  if (!names) return fail(std::move(names.error()));
  auto parent = parent_of(folder, instance, *names);
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
  // In the kernel, where both are of one file system: some share the blocks until one of the two is written to.
  loff_t done = 0, at = 0;
  while (done < size) {
    const auto shared = ::copy_file_range(from, &done, to, &at, static_cast<std::size_t>(size - done), 0);
    if (shared <= 0) break;
  }
  std::array<char, 64 * 1024> piece;
  while (done < size) {
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

/// Owner first: it takes setuid bits and capabilities away.
Result<> dress(int file, const FileFacts& facts) {
  if (::fchown(file, facts.user, facts.group) != 0) return cannot("chown");
  if (::fchmod(file, facts.mode) != 0) return cannot("chmod");
  if (!facts.capability.empty() &&
      ::fsetxattr(file, "security.capability", facts.capability.data(), facts.capability.size(), 0) != 0)
    return cannot("setxattr");
  const timespec time{facts.seconds, static_cast<long>(facts.nanos)};
  const std::array<timespec, 2> times{time, time};
  return ::futimens(file, times.data()) == 0 ? Result<>{} : cannot("utimens");
}

// The work, below an open folder.

Result<> place(int folder, const std::string& instance, const std::string& path, const FileFacts& facts, int from) {
  struct stat content{}, there{};
  // Nothing that could keep us waiting.
  if (from < 0 || ::fstat(from, &content) != 0 || !S_ISREG(content.st_mode) || content.st_size > kLargest)
    return refused("the content is no open file, or a huge one");
  auto at = place_of(folder, instance, path);
  if (!at) return fail(std::move(at.error()));
  const Descriptor file(
      ::openat(at->parent.get(), at->name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!file.open()) return cannot("open");
  if (::fstat(file.get(), &there) != 0 || !S_ISREG(there.st_mode) || there.st_nlink != 1)
    return refused("there is something that is no file of one name");
  if (auto copied = copy(from, content.st_size, file.get()); !copied) return copied;
  return dress(file.get(), facts);
}

Result<> make_folder(int folder, const std::string& instance, const std::string& path, const FileFacts& facts) {
  auto at = place_of(folder, instance, path);
  if (!at) return fail(std::move(at.error()));
  const Descriptor made = enter(at->parent.get(), at->name);
  const bool dressed =
      made.open() && ::fchown(made.get(), facts.user, facts.group) == 0 && ::fchmod(made.get(), facts.mode) == 0;
  return dressed ? Result<>{} : cannot("mkdir");
}

Result<> link(int folder, const std::string& instance, const std::string& path, const std::string& target) {
  if (target.empty() || target.contains('\0')) return refused("target is no path");
  auto at = place_of(folder, instance, path);
  if (!at) return fail(std::move(at.error()));
  // It leads somewhere in a machine only: here nothing follows links.
  const bool made = ::symlinkat(target.c_str(), at->parent.get(), at->name.c_str()) == 0 || errno == EEXIST;
  return made ? Result<>{} : cannot("symlink");
}

Result<> move(int folder, const std::string& instance, const std::string& old_path, const std::string& new_path) {
  auto from = place_of(folder, instance, old_path), to = place_of(folder, instance, new_path);
  if (!from) return fail(std::move(from.error()));
  if (!to) return fail(std::move(to.error()));
  const bool moved =
      ::renameat2(from->parent.get(), from->name.c_str(), to->parent.get(), to->name.c_str(), RENAME_NOREPLACE) == 0;
  return moved ? Result<>{} : cannot("rename");
}

Result<bool> there(int folder, const std::string& instance, const std::string& path) {
  auto at = place_of(folder, instance, path);
  if (!at) return fail(std::move(at.error()));
  struct stat status{};
  return ::fstatat(at->parent.get(), at->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/// A folder of this process's own.
class LocalFiles final : public Files {
 public:
  LocalFiles(std::string folder, Take take) : folder_(std::move(folder)), take_(std::move(take)) {}

  const std::string& folder() const override { return folder_; }
  bool gives_away() const override { return ::geteuid() == 0; }
  Result<> place(const std::string& instance, const std::string& path, const FileFacts& facts,
                 int content) const override {
    return privileged::place(opened().get(), instance, path, facts, content);
  }
  Result<> make_folder(const std::string& instance, const std::string& path, const FileFacts& facts) const override {
    return privileged::make_folder(opened().get(), instance, path, facts);
  }
  Result<> link(const std::string& instance, const std::string& path, const std::string& target) const override {
    return privileged::link(opened().get(), instance, path, target);
  }
  Result<> move(const std::string& instance, const std::string& from, const std::string& to) const override {
    return privileged::move(opened().get(), instance, from, to);
  }
  Result<bool> there(const std::string& instance, const std::string& path) const override {
    return privileged::there(opened().get(), instance, path);
  }
  Result<> take(const std::string& instance) const override { return take_(instance); }

 private:
  /// Nothing that cannot be opened is written to: the work says so.
  Descriptor opened() const {
    std::error_code ignored;
    std::filesystem::create_directories(folder_, ignored);
    return Descriptor(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  std::string folder_;
  Take take_;
};

// The verbs: what they are given is looked at, then done.

Result<json::object> answer(Result<> done) {
  if (!done) return fail(std::move(done.error()));
  return json::object();
}

/// The texts of these arguments, or why they are none.
Result<std::vector<std::string>> texts_of(const Arguments& with, std::initializer_list<std::string_view> names) {
  std::vector<std::string> out;
  for (const auto name : names) {
    auto text = with.text(name, name == "instance" ? kLongestId : kLongestPath);
    if (!text) return fail(std::move(text.error()));
    out.push_back(std::move(*text));
  }
  return out;
}

Result<FileFacts> owner_of(const Arguments& with) {
  auto user = with.number("user", 0, kAsMade), group = with.number("group", 0, kAsMade);
  auto mode = with.number("mode", 0, 07777);
  for (auto* each : {&user, &group, &mode}) {
    if (!*each) return fail(std::move(each->error()));
  }
  FileFacts facts;
  facts.user = static_cast<std::uint32_t>(*user);
  facts.group = static_cast<std::uint32_t>(*group);
  facts.mode = static_cast<std::uint32_t>(*mode);
  return facts;
}

Result<FileFacts> facts_of(const Arguments& with) {
  auto facts = owner_of(with);
  if (!facts) return facts;
  const auto nanos = with.number("nanos", 0, 999'999'999);
  const auto seconds = with.number("seconds", -(std::int64_t{1} << 40), std::int64_t{1} << 40);
  auto capability = capability_of(with);
  if (!nanos) return fail(nanos.error());
  if (!seconds) return fail(seconds.error());
  if (!capability) return fail(std::move(capability.error()));
  facts->nanos = static_cast<std::uint32_t>(*nanos);
  facts->seconds = *seconds;
  facts->capability = std::move(*capability);
  return facts;
}

Result<json::object> place_verb(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path", "user", "group", "mode", "seconds", "nanos", "capability"}); !known)
    return fail(std::move(known.error()));
  auto facts = facts_of(with);
  if (!facts) return fail(std::move(facts.error()));
  auto texts = texts_of(with, {"instance", "path"});
  if (!texts) return fail(std::move(texts.error()));
  return answer(place(folder, texts->at(0), texts->at(1), *facts, with.file()));
}

Result<json::object> folder_verb(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path", "user", "group", "mode"}); !known)
    return fail(std::move(known.error()));
  auto facts = owner_of(with);
  if (!facts) return fail(std::move(facts.error()));
  auto texts = texts_of(with, {"instance", "path"});
  if (!texts) return fail(std::move(texts.error()));
  return answer(make_folder(folder, texts->at(0), texts->at(1), *facts));
}

Result<json::object> link_verb(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path", "target"}); !known) return fail(std::move(known.error()));
  auto texts = texts_of(with, {"instance", "path", "target"});
  if (!texts) return fail(std::move(texts.error()));
  return answer(link(folder, texts->at(0), texts->at(1), texts->at(2)));
}

Result<json::object> move_verb(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "from", "to"}); !known) return fail(std::move(known.error()));
  auto texts = texts_of(with, {"instance", "from", "to"});
  if (!texts) return fail(std::move(texts.error()));
  return answer(move(folder, texts->at(0), texts->at(1), texts->at(2)));
}

Result<json::object> there_verb(int folder, const Arguments& with) {
  if (auto known = with.only({"instance", "path"}); !known) return fail(std::move(known.error()));
  auto texts = texts_of(with, {"instance", "path"});
  if (!texts) return fail(std::move(texts.error()));
  const auto found = there(folder, texts->at(0), texts->at(1));
  if (!found) return fail(found.error());
  return json::object{{"there", *found}};
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

std::shared_ptr<const Files> local_files(std::string folder, Take take) {
  return std::make_shared<LocalFiles>(std::move(folder), std::move(take));
}

Result<std::vector<Verb>> file_verbs(const std::string& folder, Take take) {
  auto opened = open_roots_own(folder);
  if (!opened) return fail(std::move(opened.error()));
  const auto root = std::make_shared<Descriptor>(std::move(*opened));
  const auto in_folder = [root](Result<json::object> (*work)(int, const Arguments&)) {
    return [root, work](const Arguments& with) { return work(root->get(), with); };
  };
  auto taking = [take = std::move(take)](const Arguments& with) -> Result<json::object> {
    if (auto known = with.only({"instance"}); !known) return fail(std::move(known.error()));
    const auto instance = with.text("instance", kLongestId);
    if (!instance) return fail(instance.error());
    if (auto id = check_instance(*instance); !id) return fail(std::move(id.error()));
    return answer(take(*instance));
  };
  return std::vector<Verb>{{"files.place", in_folder(place_verb)}, {"files.folder", in_folder(folder_verb)},
                           {"files.link", in_folder(link_verb)},   {"files.move", in_folder(move_verb)},
                           {"files.there", in_folder(there_verb)}, {"files.take", std::move(taking)}};
}

}  // namespace tiltyard::privileged
