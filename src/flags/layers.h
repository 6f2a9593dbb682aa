#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flags/image_scan.h"

/// The layers of an image as they come out of their tar streams, and what is seen through all of them.
namespace tiltyard::flags {

enum class EntryKind : std::uint8_t { kFile, kFolder, kImplied, kSymlink, kOther, kMark };

/// A path without slashes at its ends and without "." parts; empty for the root, and for what leaves it.
std::string tidy_path(std::string_view raw);

/// One layer. Of most entries only a record under the hash of their path is kept, so that 100,000 files cost 5 MB.
class Layer {
 public:
  struct Record {
    std::array<std::uint64_t, 2> key{};
    std::int64_t seconds = 0;
    std::uint32_t uid = 0, gid = 0, mode = 0, nanos = 0;
    EntryKind kind = EntryKind::kFile;
  };

  /// In the order of the stream; a later entry replaces an earlier one of its name. `path` is tidy.
  void add(const std::string& path, EntryKind kind, const FileFacts& facts);
  void add_symlink(const std::string& path, std::string target);
  void add_holder(Holder holder);
  /// Another name of a file: what the target holds, it holds.
  void add_link(const std::string& path, const std::string& target, const FileFacts& facts);
  /// After the last entry, before the first look.
  void settle();

  const Record* find(std::string_view path) const;
  const Record* whiteout(std::string_view path) const;
  /// Whether what lower layers have at `path` is hidden by this one, or could not be below what this one has.
  bool hides(std::string_view path) const;
  const std::string* target(const std::string& path) const;
  const std::map<std::string, Holder>& holders() const { return holders_; }
  const std::map<std::string, FileFacts>& programs() const { return programs_; }
  std::size_t size() const { return records_.size(); }

 private:
  void imply_parents(const std::string& path);

  std::vector<Record> records_;
  std::map<std::string, Holder> holders_;      ///< by tidy path
  std::map<std::string, FileFacts> programs_;  ///< that give rights, by tidy path; so many at most
  std::map<std::string, std::string> targets_;
  std::string last_parent_;
};

/// All layers of an image, the lowest first.
class Stack {
 public:
  explicit Stack(std::vector<const Layer*> layers) : layers_(std::move(layers)) {}

  struct Seen {
    std::size_t layer = 0;
    const Layer::Record* record = nullptr;  ///< null: there is nothing
  };
  /// What is at a tidy path; a symlink itself, not what it leads to.
  Seen see(std::string_view path) const;
  std::vector<Holder> holders() const;
  /// Those that give rights, by path; the first `most`.
  std::vector<Program> programs(std::size_t most) const;
  /// What is at an absolute path for a program inside.
  Watched resolve(const std::string& path) const;

 private:
  std::vector<const Layer*> layers_;
};

}  // namespace tiltyard::flags
