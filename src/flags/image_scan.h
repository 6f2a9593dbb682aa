#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

/// Which files of an image hold a placeholder: its layers, walked once as tar streams.
namespace tiltyard::flags {

/// What makes a file the same to the programs that look at it.
struct FileFacts {
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t mode = 0644;  ///< permission bits with setuid, setgid and sticky
  std::int64_t seconds = 0;   ///< of the last change, since 1970
  std::uint32_t nanos = 0;
  std::string capability;  ///< the xattr security.capability; empty: none

  bool operator==(const FileFacts&) const = default;
};

/// One `PREFIX{...}` that a file holds.
struct HeldText {
  std::string text;
  std::size_t room = 0;  ///< binary files: how long what takes its place may be

  bool operator==(const HeldText&) const = default;
};

/// A name in the image whose file holds at least one, or is a program with a file capability (then there may be no
/// texts). Hard links are holders of their own with the same content.
struct Holder {
  std::string path;  ///< absolute in the image
  FileFacts facts;
  bool binary = false;
  std::int64_t size = 0;
  int content = 0;  ///< the file of this number in the folder of kept contents
  std::vector<HeldText> texts;
};

/// A program that runs with more rights than whoever starts it: set-user-ID, set-group-ID, or with a file capability.
struct Program {
  std::string path;  ///< absolute in the image
  FileFacts facts;

  bool operator==(const Program&) const = default;
};

/// What the image has at one path that was asked for, symlinks followed.
struct Watched {
  enum class Kind { kAbsent, kFile, kFolder, kOther, kOutside };
  Kind kind = Kind::kAbsent;
  std::string path;  ///< where the symlinks lead
  FileFacts facts;   ///< files only
};

struct ImageScan {
  std::vector<Holder> holders;                   ///< by path
  std::optional<std::vector<Program>> programs;  ///< by path, at most 200; nullopt: a version before did not look
  Watched watched;
  std::vector<std::string> skipped;  ///< files over the limit, at most 20 of them
  std::size_t files = 0, layers = 0;
};

struct ScanLimits {
  std::int64_t file_bytes = 32LL * 1024 * 1024;  ///< larger files are skipped
  std::size_t holders = 256;
  std::int64_t kept_bytes = 64LL * 1024 * 1024;
  std::size_t entries = 2'000'000;  ///< in all layers together; 48 bytes of memory each
};

struct ScanOptions {
  std::string prefix;
  std::string watch;   ///< absolute path; empty: none
  std::string folder;  ///< where contents are kept, as files "0", "1", …; made if it is not there
  ScanLimits limits;
};

/// The next bytes of the stream; empty at its end.
using ReadMore = std::function<Result<std::string>()>;

/// Walks the tar stream of an image export. Blocking; memory is bounded by the limits: one file at a time, and a record
/// per entry. Whiteouts and files in the way are honoured as the image specification says
/// (https://github.com/opencontainers/image-spec/blob/main/layer.md). Archives inside are not opened.
/// `image-unreadable`; `too-many-holders` and `image-too-large` say which limit is passed.
Result<ImageScan> scan_image(const ReadMore& read, const ScanOptions& options);

}  // namespace tiltyard::flags
