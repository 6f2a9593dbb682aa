#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::imports {

/// What is imported: a folder that is only read. Paths are relative to it, without dots; empty is the folder itself.
/// The kernel itself resolves them (openat2), so that no link and no ".." leads out of it, whatever changes meanwhile.
class Origin {
 public:
  struct Entry {
    enum class Kind { kFile, kFolder, kLink, kOther };
    std::string name;
    Kind kind = Kind::kOther;
    std::int64_t size = 0;
  };

  explicit Origin(std::string root);
  ~Origin();
  Origin(const Origin&) = delete;
  Origin& operator=(const Origin&) = delete;

  /// Nothing of this folder is listed: it is where the result goes.
  void hide(std::string path) { hidden_ = std::move(path); }

  /// What it is called: its folder's name, or that of the archive that it was.
  void call(std::string name) { name_ = std::move(name); }
  const std::string& name() const { return name_; }

  bool exists() const { return fd_ >= 0; }
  const std::string& root() const { return root_; }

  /// By name; links are told as such, never followed. At most 20,000. Empty for what is no folder.
  std::vector<Entry> list(const std::string& folder) const;
  bool is_file(const std::string& path) const;
  bool is_folder(const std::string& path) const;
  /// The file's text; the error is for people.
  std::expected<std::string, std::string> read(const std::string& path, std::size_t most = 1024 * 1024) const;
  /// A descriptor for reading, links inside followed; the caller closes it. -1: not there, or it leads out.
  int open(const std::string& path, int flags) const;

 private:
  std::string root_;
  std::string name_;
  std::string hidden_;
  int fd_ = -1;
};

/// "a" and "b" as "a/b"; either may be empty.
std::string joined(std::string_view folder, std::string_view name);
/// "a/b/../c" and "./d" without dots, as seen from `folder`; the error is for people: it climbs out of the root, or is
/// absolute.
std::expected<std::string, std::string> resolved(std::string_view folder, std::string_view path);
/// The last part.
std::string leaf(std::string_view path);
/// All but the last part.
std::string parent(std::string_view path);

}  // namespace tiltyard::imports
