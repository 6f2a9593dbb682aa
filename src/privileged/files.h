#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "privileged/caller.h"

namespace tiltyard::privileged {

/// What a file is besides its content.
struct FileFacts {
  std::uint32_t user = 0, group = 0;
  std::uint32_t mode = 0644;  ///< permission bits with setuid, setgid and sticky
  std::int64_t seconds = 0;   ///< of the last change, since 1970
  std::uint32_t nanos = 0;
  std::string capability;  ///< the xattr security.capability; empty: none
};

/// The instances' own files, as the server has them kept by its privileged half: FOLDER/INSTANCE/AREA/NAME, and what is
/// below. `path` is relative to the instance's folder ("flags/0"); folders on the way there are made. Blocking.
class Files {
 public:
  Files(Caller caller, std::string folder) : caller_(std::move(caller)), folder_(std::move(folder)) {}

  /// For mounts; nobody but root can look into it.
  const std::string& folder() const { return folder_; }

  /// Writes what is in the regular file `content`; a file that is there keeps its inode.
  Result<> place(const std::string& instance, const std::string& path, const FileFacts& facts, int content) const;
  Result<> make_folder(const std::string& instance, const std::string& path, std::uint32_t mode) const;
  Result<> link(const std::string& instance, const std::string& path, const std::string& target) const;
  /// Onto a name that is free.
  Result<> move(const std::string& instance, const std::string& from, const std::string& to) const;
  Result<bool> there(const std::string& instance, const std::string& path) const;
  /// All of the instance's files, at once out of sight; what is not there is success.
  Result<> take(const std::string& instance) const;

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
