#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "privileged/caller.h"

namespace tiltyard::privileged {

/// Whoever makes it: the half that keeps the files.
inline constexpr std::uint32_t kAsMade = 0xffff'ffff;

/// What a file is besides its content.
struct FileFacts {
  std::uint32_t user = 0, group = 0;
  std::uint32_t mode = 0644;  ///< permission bits with setuid, setgid and sticky
  std::int64_t seconds = 0;   ///< of the last change, since 1970
  std::uint32_t nanos = 0;
  std::string capability;  ///< the xattr security.capability; empty: none
};

/// The instances' own files: FOLDER/INSTANCE/AREA/NAME, and what is below. `path` is relative to the instance's folder
/// ("flags/0"); folders on the way there are made. Thread-safe; blocking.
class Files {
 public:
  virtual ~Files() = default;

  /// For mounts; nobody but its keeper can look into it.
  virtual const std::string& folder() const = 0;
  /// Whether files can belong to anybody.
  virtual bool gives_away() const = 0;

  /// Writes what is in the regular file `content`; a file that is there keeps its inode.
  virtual Result<> place(const std::string& instance, const std::string& path, const FileFacts& facts,
                         int content) const = 0;
  virtual Result<> make_folder(const std::string& instance, const std::string& path, const FileFacts& facts) const = 0;
  virtual Result<> link(const std::string& instance, const std::string& path, const std::string& target) const = 0;
  /// Onto a name that is free.
  virtual Result<> move(const std::string& instance, const std::string& from, const std::string& to) const = 0;
  virtual Result<bool> there(const std::string& instance, const std::string& path) const = 0;
  /// All of the instance's files, at once out of sight; what is not there is success.
  virtual Result<> take(const std::string& instance) const = 0;
};

/// As the server has them kept by its privileged half, below a folder of that one's.
class FilesApart final : public Files {
 public:
  FilesApart(Caller caller, std::string folder) : caller_(std::move(caller)), folder_(std::move(folder)) {}

  const std::string& folder() const override { return folder_; }
  bool gives_away() const override { return true; }
  Result<> place(const std::string& instance, const std::string& path, const FileFacts& facts,
                 int content) const override;
  Result<> make_folder(const std::string& instance, const std::string& path, const FileFacts& facts) const override;
  Result<> link(const std::string& instance, const std::string& path, const std::string& target) const override;
  Result<> move(const std::string& instance, const std::string& from, const std::string& to) const override;
  Result<bool> there(const std::string& instance, const std::string& path) const override;
  Result<> take(const std::string& instance) const override;

 private:
  Caller caller_;
  std::string folder_;
};

/// Who offers them; null: the server keeps these files itself.
class HasFiles {
 public:
  virtual ~HasFiles() = default;
  virtual std::shared_ptr<const Files> files() const = 0;
};

/// A path as both halves have it.
std::string whole(const std::string& path);

}  // namespace tiltyard::privileged
