// Zip archives, which may say anything. Links are made last: nothing is ever written through one.
#include "imports/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "base/text.h"
#include "cli/terminal_text.h"
#include "imports/ids.h"
#include "imports/origin.h"

namespace tiltyard::imports {
namespace {

namespace fs = std::filesystem;

constexpr int kMostEntries = 50'000;
constexpr std::int64_t kMostGrowth = 200;
constexpr std::int64_t kSmall = std::int64_t{64} << 20;  ///< grows as it likes
constexpr std::size_t kLongestName = 1000;

std::unexpected<Error> refused(const std::string& entry, const std::string& why) {
  return fail(Code::kInvalid, "archive-refused",
              fmt::format("The archive is refused: \"{}\": {}. Nothing was imported.", entry.substr(0, 200), why));
}

class Unpacking {
 public:
  Unpacking(fs::path folder, const Sizes& sizes, std::int64_t packed)
      : folder_(std::move(folder)), sizes_(sizes), most_(std::max(kSmall, packed * kMostGrowth)) {}

  Result<> take(archive* from, archive_entry* entry) {
    const char* said = archive_entry_pathname_utf8(entry);
    if (!said) said = archive_entry_pathname(entry);
    if (!said) return refused("?", "a name that is no text");
    std::string name = said;
    while (name.ends_with('/')) name.pop_back();
    if (++entries_ > kMostEntries) return refused(name, fmt::format("more than {} entries", kMostEntries));
    if (const auto good = check_name(name); !good) return good;
    if (archive_entry_is_encrypted(entry) != 0) return refused(name, "it is encrypted");
    const auto kind = archive_entry_filetype(entry);
    const auto path = folder_ / name;
    std::error_code failure;
    if (kind == AE_IFDIR) {
      fs::create_directories(path, failure);
      return failure ? Result<>(refused(name, failure.message())) : Result<>{};
    }
    fs::create_directories(path.parent_path(), failure);
    if (failure) return refused(name, failure.message());
    if (kind == AE_IFLNK) return link(name, entry);
    if (kind != AE_IFREG && kind != 0) return refused(name, "neither a file nor a folder");
    return file(from, name, path, archive_entry_perm(entry));
  }

  Result<> make_links() {
    for (const auto& [name, target] : links_) {
      std::error_code failure;
      fs::create_symlink(target, folder_ / name, failure);
      if (failure) return refused(name, failure.message());
    }
    return {};
  }

 private:
  Result<> check_name(const std::string& name) {
    const auto good = resolved("", name);
    const auto depth = std::ranges::count(name, '/');
    if (name.empty() || name.size() > kLongestName || depth > 32)
      return refused(name, "a name that is too long or none");
    if (!good || *good != name || name.find('\\') != std::string::npos)
      return refused(name, "a name that leads out of the archive, or has \".\", \"..\", \"//\" or \"\\\" in it");
    if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      return refused(name, "a name with control characters");
    if (!names_.insert(lower(name)).second && !fs::is_directory(folder_ / name))
      return refused(name, "another entry has this name, but for its case");
    return {};
  }

  Result<> link(const std::string& name, archive_entry* entry) {
    const char* target = archive_entry_symlink_utf8(entry);
    if (!target) target = archive_entry_symlink(entry);
    if (!target || !resolved(parent(name), target)) return refused(name, "a link that leads out of the archive");
    links_.emplace_back(name, target);
    return {};
  }

  Result<> file(archive* from, const std::string& name, const fs::path& path, mode_t mode) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return refused(name, std::strerror(errno));
    auto done = bytes(from, name, fd);
    if (done && ::fchmod(fd, (mode & 0111) != 0 ? 0755 : 0644) != 0) done = refused(name, std::strerror(errno));
    ::close(fd);
    return done;
  }

  Result<> bytes(archive* from, const std::string& name, int fd) {
    std::vector<char> piece(128 * 1024);
    for (std::int64_t size = 0;;) {
      const auto got = archive_read_data(from, piece.data(), piece.size());
      if (got == 0) return {};
      if (got < 0) {
        const char* why = archive_error_string(from);
        return refused(name, why ? why : "it is damaged");
      }
      size += got;
      all_ += got;
      if (size > sizes_.file)
        return refused(
            name, fmt::format("larger than --max-file, {}", cli::bytes_text(static_cast<std::uint64_t>(sizes_.file))));
      if (all_ > sizes_.all)
        return refused(name, fmt::format("all together are more than --max-size, {}",
                                         cli::bytes_text(static_cast<std::uint64_t>(sizes_.all))));
      if (all_ > most_)
        return refused(name, fmt::format("the archive grows to more than {} times its size", kMostGrowth));
      if (::write(fd, piece.data(), static_cast<std::size_t>(got)) != got) return refused(name, std::strerror(errno));
    }
  }

  fs::path folder_;
  const Sizes& sizes_;
  std::int64_t most_;
  std::int64_t all_ = 0;
  int entries_ = 0;
  std::set<std::string> names_;
  std::vector<std::pair<std::string, std::string>> links_;
};

}  // namespace

Result<> unpack(const std::string& archive, const std::string& folder, const Sizes& sizes) {
  std::error_code failure;
  const auto packed = fs::file_size(archive, failure);
  if (failure) return fail(Code::kNotFound, "archive-unreadable", fmt::format("{}: {}.", archive, failure.message()));
  const std::unique_ptr<struct archive, decltype(&archive_read_free)> from(archive_read_new(), archive_read_free);
  archive_read_support_format_zip(from.get());
  if (archive_read_open_filename(from.get(), archive.c_str(), 1 << 16) != ARCHIVE_OK)
    return refused(archive, "it is no zip archive");
  Unpacking unpacking(folder, sizes, static_cast<std::int64_t>(packed));
  archive_entry* entry = nullptr;
  for (;;) {
    const auto status = archive_read_next_header(from.get(), &entry);
    if (status == ARCHIVE_EOF) return unpacking.make_links();
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      const char* why = archive_error_string(from.get());
      return refused(archive, why ? why : "it is no zip archive");
    }
    if (auto done = unpacking.take(from.get(), entry); !done) return done;
  }
}

}  // namespace tiltyard::imports
