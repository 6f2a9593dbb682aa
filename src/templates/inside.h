#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace tiltyard::templates {

/// What a path inside the template's folder names, once every symlink on it is followed.
struct Found {
  enum class Kind { kAbsent, kFile, kFolder, kSpecial };
  Kind kind = Kind::kAbsent;
  std::string path;  ///< relative to the folder, without symlinks and dots; empty: the folder itself
  int mode = 0;      ///< permission bits
  std::int64_t size = 0;
};

/// Files of one template. Every path is walked component by component from the folder's descriptor, each step opened
/// without following links and each link resolved by hand, so that no `..`, no absolute path and no symlink leaves the
/// folder, not even one that is exchanged while we look.
class Inside {
 public:
  explicit Inside(std::string folder);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  bool exists() const { return fd_ >= 0; }
  const std::string& folder() const { return folder_; }

  /// `path` starts from `base`. The error says why it may not be used: it leaves the folder, is absolute, or its links
  /// run in circles. What is not there is `kAbsent` with the path it would have.
  std::expected<Found, std::string> locate(std::string_view base, std::string_view path) const;
  /// The content of a regular file, at most `most` bytes.
  std::expected<std::string, std::string> read(std::string_view base, std::string_view path, std::size_t most) const;

 private:
  std::string folder_;
  int fd_ = -1;
};

/// "a/b/../c" and "./d" joined and without dots; an error if it climbs above the start or is absolute.
std::expected<std::string, std::string> join_inside(std::string_view base, std::string_view path);

/// The folder part of a relative path; empty: none.
std::string folder_of(std::string_view path);

}  // namespace tiltyard::templates
