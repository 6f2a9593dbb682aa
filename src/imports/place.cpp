#include "imports/place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/remove_tree.h"
#include "imports/origin.h"

namespace tiltyard::imports {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

std::string value_in(const Files& files, const std::string& path) {
  const auto found = files.find(path);
  return found == files.end() ? std::string{} : found->second;
}

/// What somebody changed by hand since the last import, laid over the new result.
class Overlay {
 public:
  Overlay(fs::path fresh, fs::path target, bool replace, std::vector<Note>& notes)
      : fresh_(std::move(fresh)), target_(std::move(target)), replace_(replace), notes_(notes) {}

  /// Whether anything of the new result is another now.
  Result<bool> lay(const Files& now, const Files& before, const Files& made) {
    for (const auto& [path, hash] : now) {
      const auto was = value_in(before, path), is = value_in(made, path);
      if (hash == was || hash == is) continue;
      if (replace_ && !was.empty()) {
        notes_.push_back(
            {Note::Kind::kChanged, leaf(target_.string()) + "/" + path, 0, "what was changed by hand is replaced"});
        continue;
      }
      note(path, was.empty()
                     ? (is.empty() ? "added by hand" : "added by hand, and the original has one of this name, too")
                 : is.empty() ? "changed by hand; the original has it no more"
                 : is == was  ? "changed by hand"
                              : "changed by hand and in the original; --replace takes the original's");
      if (auto copied = copy(path); !copied) return fail(copied.error());
      changed_ = true;
    }
    for (const auto& [path, hash] : before) {
      if (now.contains(path) || !made.contains(path) || replace_) continue;
      note(path, "removed by hand");
      std::error_code ignored;
      fs::remove(fresh_ / path, ignored);
      changed_ = true;
    }
    return changed_;
  }

 private:
  void note(const std::string& path, const char* text) {
    notes_.push_back({Note::Kind::kKept, leaf(target_.string()) + "/" + path, 0, text});
  }

  Result<> copy(const std::string& path) {
    std::error_code failure;
    fs::create_directories((fresh_ / path).parent_path(), failure);
    fs::remove(fresh_ / path, failure);
    fs::copy(target_ / path, fresh_ / path, fs::copy_options::copy_symlinks, failure);
    if (failure)
      return fail(Code::kInternal, "import-unwritable", fmt::format("{} cannot be kept: {}.", path, failure.message()));
    return {};
  }

  fs::path fresh_, target_;
  bool replace_;
  bool changed_ = false;
  std::vector<Note>& notes_;
};

Result<> write_manifest(const std::string& folder, const Manifest& manifest) {
  std::ofstream out(fs::path(folder) / kManifestFile, std::ios::binary);
  out << manifest_text(manifest);
  out.close();
  if (!out) return fail(Code::kInternal, "import-unwritable", fmt::format("{} cannot be written.", folder));
  return {};
}

}  // namespace

Result<Item::State> lay_over(const std::string& fresh, const std::string& target, Manifest manifest, bool replace,
                             std::vector<Note>& notes) {
  auto made = files_below(fresh);
  if (!made) return fail(made.error());
  manifest.files = *made;
  if (auto written = write_manifest(fresh, manifest); !written) return fail(written.error());
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(target, ignored))) return Item::State::kNew;
  const auto before = read_manifest(target);
  if (!before && !replace) {
    notes.push_back(
        {Note::Kind::kRefused, leaf(target), 0,
         "there is a template of this id that was not imported; give the challenge another id, or say --replace"});
    return Item::State::kRefused;
  }
  if (before && before->source != manifest.source && !replace) {
    notes.push_back(
        {Note::Kind::kRefused, leaf(target), 0,
         fmt::format("the template of this id came from {}, this is {}; give one another id, or say --replace",
                     before->source, manifest.source)});
    return Item::State::kRefused;
  }
  const auto now = files_below(target);
  if (!now) return fail(now.error());
  const auto known = before ? before->files : Files{};
  const auto laid = Overlay(fresh, target, replace, notes).lay(*now, known, *made);
  if (!laid) return fail(laid.error());
  const auto then = *laid ? files_below(fresh) : made;
  if (!then) return fail(then.error());
  return *then == *now && before && known == *made && before->source == manifest.source ? Item::State::kSame
                                                                                        : Item::State::kUpdated;
}

Result<> put_in_place(const std::string& fresh, const std::string& target) {
  const auto failed = [&] {
    return fail(Code::kInternal, "import-unwritable",
                fmt::format("{} cannot be put in place: {}.", target, std::strerror(errno)));
  };
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) return {};
  // There is none yet; or the file system cannot exchange: then there is none for a moment.
  const auto old = fresh + ".old";
  if (errno != ENOENT && ::rename(target.c_str(), old.c_str()) != 0) return failed();
  if (::rename(fresh.c_str(), target.c_str()) == 0) return {};
  const auto result = failed();
  ::rename(old.c_str(), target.c_str());
  return result;
}

Result<Aside> Aside::make(const std::string& folder) {
  std::string path = folder + "/.import-XXXXXX";
  if (!::mkdtemp(path.data()))
    return fail(Code::kInternal, "import-unwritable",
                fmt::format("{} cannot be written: {}.", folder, std::strerror(errno)));
  return Aside(path);
}

Aside::~Aside() {
  if (path_.empty()) return;
  const auto folder = fs::path(path_).parent_path().string();
  const int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return;
  (void)remove_tree(at, leaf(path_));  // what stays is removed by the next import
  ::close(at);
}

}  // namespace tiltyard::imports
