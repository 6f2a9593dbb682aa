#include "flags/image_scan.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include "flags/layers.h"
#include "flags/rights.h"
#include "flags/text.h"

namespace tiltyard::flags {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::int64_t kMostManifest = 1024 * 1024;
constexpr std::size_t kMostSkipped = 20, kMostPrograms = 200, kMostDemanding = 16;
constexpr std::int64_t kMostProgram = 4 * 1024 * 1024;
constexpr char kUnreadable[] = "image-unreadable";

struct ArchiveEnd {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, ArchiveEnd>;

Error unreadable(const std::string& cause) {
  return Error{Code::kInvalid, kUnreadable, "The image could not be read for its flags.", cause, {}};
}

std::string why(archive* reader) {
  const char* text = archive_error_string(reader);
  return text ? text : "no reason given";
}

/// Only tar; the filters that the C library knows by itself, none that starts a program.
Archive open_tar() {
  Archive reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_empty(reader.get());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  return reader;
}

/// A name in whatever encoding it has; libarchive has none in the C locale for what a pax header says in UTF-8.
std::string name_of(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (!name) name = archive_entry_pathname_utf8(entry);
  return name ? name : "";
}
std::string hard_link_of(archive_entry* entry) {
  const char* name = archive_entry_hardlink(entry);
  if (!name) name = archive_entry_hardlink_utf8(entry);
  return name ? name : "";
}
std::string symlink_of(archive_entry* entry) {
  const char* name = archive_entry_symlink(entry);
  if (!name) name = archive_entry_symlink_utf8(entry);
  return name ? name : "";
}

FileFacts facts_of(archive_entry* entry) {
  FileFacts out;
  out.uid = static_cast<std::uint32_t>(archive_entry_uid(entry));
  out.gid = static_cast<std::uint32_t>(archive_entry_gid(entry));
  out.mode = archive_entry_perm(entry) & 07777;
  out.seconds = archive_entry_mtime(entry);
  out.nanos = static_cast<std::uint32_t>(archive_entry_mtime_nsec(entry));
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (archive_entry_xattr_reset(entry); archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK;) {
    if (std::string_view(name) == "security.capability") out.capability.assign(static_cast<const char*>(value), size);
  }
  return out;
}

/// What the layers share: where contents go, and how much there may be.
struct Shared {
  const ScanOptions& options;
  ImageScan result;
  std::size_t entries = 0;
  std::size_t holders = 0;
  std::size_t demanding = 0;  ///< programs kept for their file capability
  std::int64_t kept = 0;
  int next = 0;
  std::string buffer;
};

/// The blocks of one member of the outer archive, as the inner archive asks for them.
struct Member {
  archive* outer = nullptr;
  const void* block = nullptr;  ///< read ahead, to see what it is
  std::size_t size = 0;
  bool waiting = false;
  bool failed = false;

  /// False at the end and on failure.
  bool next() {
    la_int64_t offset = 0;
    const int got = archive_read_data_block(outer, &block, &size, &offset);
    failed = got < ARCHIVE_WARN;
    return got != ARCHIVE_EOF && !failed;
  }
};

la_ssize_t read_member(archive* inner, void* client, const void** block) {
  auto& member = *static_cast<Member*>(client);
  if (member.waiting) {
    member.waiting = false;
  } else if (!member.next()) {
    if (member.failed) {
      archive_set_error(inner, EIO, "%s", why(member.outer).c_str());
      return -1;
    }
    return 0;
  }
  *block = member.block;
  return static_cast<la_ssize_t>(member.size);
}

Error too_many(const Shared& shared, const std::string& path) {
  const auto& limits = shared.options.limits;
  return Error{
      Code::kTooLarge,
      "too-many-holders",
      fmt::format("More than {} files or {} MiB of the image hold a text such as {}{{...}}; '{}' is one too many. "
                  "Choose a [flag] prefix of the template's own.",
                  limits.holders, limits.kept_bytes >> 20, shared.options.prefix, path),
      {},
      {}};
}

Result<> keep(Shared& shared, Layer& layer, const std::string& path, const FileFacts& facts,
              std::vector<std::string> texts) {
  const auto& limits = shared.options.limits;
  const auto size = static_cast<std::int64_t>(shared.buffer.size());
  shared.kept += size;
  if (++shared.holders > limits.holders || shared.kept > limits.kept_bytes) {
    return fail(too_many(shared, "/" + path));
  }
  Holder holder;
  holder.path = "/" + path;
  holder.facts = facts;
  holder.binary = is_binary(shared.buffer);
  holder.size = size;
  holder.content = shared.next++;
  for (auto& text : texts) {
    const auto room = holder.binary ? room_for(shared.buffer, text).value_or(0) : 0;
    holder.texts.push_back({std::move(text), room});
  }
  // An earlier look at the same image may have kept the same here, and a claim may be reading it.
  const auto path_kept = fmt::format("{}/{}", shared.options.folder, holder.content);
  std::ofstream out(path_kept + ".new", std::ios::binary | std::ios::trunc);
  out.write(shared.buffer.data(), size);
  out.close();
  std::error_code failure;
  fs::rename(path_kept + ".new", path_kept, failure);
  if (!out || failure)
    return fail(Code::kExhausted, "disk-full", "What an image holds of flags could not be kept in the data folder.");
  layer.add_holder(std::move(holder));
  return {};
}

Result<> take_file(Shared& shared, Layer& layer, archive* inner, archive_entry* entry, const std::string& path) {
  const auto facts = facts_of(entry);
  const auto size = archive_entry_size(entry);
  ++shared.result.files;
  if (size > shared.options.limits.file_bytes) {
    if (shared.result.skipped.size() < kMostSkipped) shared.result.skipped.push_back("/" + path);
    layer.add(path, EntryKind::kFile, facts);
    return {};
  }
  // Whole in memory: no placeholder lies across two reads.
  shared.buffer.resize(static_cast<std::size_t>(size));
  std::size_t filled = 0;
  while (filled < shared.buffer.size()) {
    const auto got = archive_read_data(inner, shared.buffer.data() + filled, shared.buffer.size() - filled);
    if (got < 0) return fail(unreadable(why(inner)));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  shared.buffer.resize(filled);
  auto texts = find_placeholders(shared.buffer, shared.options.prefix);
  // A program that Linux may refuse to start for its capability: a machine may need one of its own.
  const bool demands =
      !out_of_reach(facts.capability, {}).empty() && size <= kMostProgram && ++shared.demanding <= kMostDemanding;
  if (!texts.empty() || demands) return keep(shared, layer, path, facts, std::move(texts));
  layer.add(path, EntryKind::kFile, facts);
  return {};
}

Result<> take_entry(Shared& shared, Layer& layer, archive* inner, archive_entry* entry) {
  const auto path = tidy_path(name_of(entry));
  if (path.empty()) return {};  // the root itself, or a name that leaves it
  if (++shared.entries > shared.options.limits.entries) {
    return fail(
        Code::kTooLarge, "image-too-large",
        fmt::format("The image has more than {} files; its flags are not looked for.", shared.options.limits.entries));
  }
  const auto link = hard_link_of(entry);
  if (!link.empty()) {
    layer.add_link(path, tidy_path(link), facts_of(entry));
    return {};
  }
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return take_file(shared, layer, inner, entry, path);
    case AE_IFDIR:
      layer.add(path, EntryKind::kFolder, {});
      break;
    case AE_IFLNK:
      layer.add_symlink(path, symlink_of(entry));
      break;
    default:
      layer.add(path, EntryKind::kOther, {});
  }
  return {};
}

/// `image-unreadable` where the member is no layer; every other error ends the scan.
Result<Layer> read_layer(Shared& shared, Member& member) {
  Layer layer;
  const auto inner = open_tar();
  if (archive_read_open(inner.get(), &member, nullptr, read_member, nullptr) < ARCHIVE_WARN)
    return fail(unreadable(why(inner.get())));
  archive_entry* entry = nullptr;
  while (true) {
    const int got = archive_read_next_header(inner.get(), &entry);
    if (got == ARCHIVE_EOF) break;
    if (got < ARCHIVE_WARN) return fail(unreadable(why(inner.get())));
    auto taken = take_entry(shared, layer, inner.get(), entry);
    if (!taken) return fail(std::move(taken.error()));
  }
  layer.settle();
  return layer;
}

/// The whole export while it is read.
class Export {
 public:
  Export(const ReadMore& read, const ScanOptions& options) : read_(read), shared_{options, {}, 0, 0, 0, 0, 0, {}} {}

  Result<ImageScan> scan() {
    std::error_code failure;
    fs::create_directories(shared_.options.folder, failure);
    auto walked = walk();
    if (!walked) return fail(std::move(walked.error()));
    auto stack = in_order();
    if (!stack) return fail(std::move(stack.error()));
    auto& out = shared_.result;
    out.layers = layers_.size();
    out.holders = stack->holders();
    out.programs = stack->programs(kMostPrograms);
    if (out.holders.size() > shared_.options.limits.holders) return fail(too_many(shared_, out.holders.back().path));
    if (!shared_.options.watch.empty()) out.watched = stack->resolve(shared_.options.watch);
    std::set<int> used;
    for (const auto& holder : out.holders) used.insert(holder.content);
    for (int i = 0; i < shared_.next; ++i) {
      if (!used.contains(i)) fs::remove(shared_.options.folder + "/" + std::to_string(i), failure);
    }
    return std::move(out);
  }

 private:
  static la_ssize_t read_outer(archive* outer, void* client, const void** block) {
    auto& self = *static_cast<Export*>(client);
    auto bytes = self.read_();
    if (!bytes) {
      self.trouble_ = std::move(bytes.error());
      archive_set_error(outer, EIO, "the stream of the image was cut");
      return -1;
    }
    self.block_ = std::move(*bytes);
    *block = self.block_.data();
    return static_cast<la_ssize_t>(self.block_.size());
  }

  Result<> walk() {
    const auto outer = open_tar();
    if (archive_read_open(outer.get(), this, nullptr, read_outer, nullptr) < ARCHIVE_WARN) return cut(outer.get());
    archive_entry* entry = nullptr;
    while (true) {
      const int got = archive_read_next_header(outer.get(), &entry);
      if (got == ARCHIVE_EOF) break;
      if (got < ARCHIVE_WARN) return cut(outer.get());
      auto taken = take_member(outer.get(), entry);
      if (!taken) return taken;
    }
    if (trouble_) return fail(*trouble_);
    return {};
  }

  Result<> cut(archive* outer) { return fail(trouble_ ? *trouble_ : unreadable(why(outer))); }

  Result<> take_member(archive* outer, archive_entry* entry) {
    const auto name = tidy_path(name_of(entry));
    if (archive_entry_filetype(entry) == AE_IFLNK) {
      // A layer that is there twice is written once.
      const auto slash = name.rfind('/');
      links_[name] = resolve_link(slash == std::string::npos ? "" : name.substr(0, slash), symlink_of(entry));
      return {};
    }
    if (const auto link = hard_link_of(entry); !link.empty()) {
      links_[name] = tidy_path(link);
      return {};
    }
    if (archive_entry_filetype(entry) != AE_IFREG) return {};
    if (name == "manifest.json") return read_manifest(outer, archive_entry_size(entry));
    Member member{outer, nullptr, 0, false, false};
    if (!member.next()) return member.failed ? cut(outer) : Result<>{};
    const char first = member.size > 0 ? *static_cast<const char*>(member.block) : '{';
    if (first == '{' || first == '[') return {};  // one of the export's own documents
    member.waiting = true;
    auto layer = read_layer(shared_, member);
    if (trouble_) return fail(*trouble_);
    if (layer) layers_.emplace(name, std::move(*layer));
    else if (layer.error().reason == kUnreadable) faults_[name] = layer.error().cause;
    else return fail(std::move(layer.error()));
    return {};
  }

  static std::string resolve_link(std::string folder, std::string_view target) {
    while (target.starts_with("../")) {
      target.remove_prefix(3);
      const auto slash = folder.rfind('/');
      folder = slash == std::string::npos ? "" : folder.substr(0, slash);
    }
    return tidy_path(folder + "/" + std::string(target));
  }

  Result<> read_manifest(archive* outer, std::int64_t size) {
    if (size > kMostManifest) return fail(unreadable("its manifest is too long"));
    manifest_.resize(static_cast<std::size_t>(size));
    const auto got = archive_read_data(outer, manifest_.data(), manifest_.size());
    if (got != size) return cut(outer);
    return {};
  }

  /// The layers from the lowest up, whatever order the stream had them in.
  Result<Stack> in_order() {
    boost::system::error_code failed;
    const json::value document = json::parse(manifest_, failed);
    const json::array* images = failed ? nullptr : document.if_array();
    const json::object* image = images && !images->empty() ? images->front().if_object() : nullptr;
    const json::value* names = image ? image->if_contains("Layers") : nullptr;
    if (!names || !names->is_array()) return fail(unreadable("it has no manifest.json with layers"));
    std::vector<const Layer*> order;
    for (const auto& value : names->get_array()) {
      const json::string* text = value.if_string();
      if (!text) return fail(unreadable("its manifest.json names no layer"));
      std::string name = tidy_path(std::string_view(text->data(), text->size()));
      for (int hops = 0; hops < 4 && links_.contains(name); ++hops) name = links_.at(name);
      const auto found = layers_.find(name);
      if (found == layers_.end())
        return fail(
            unreadable(fmt::format("layer {}: {}", name, faults_.contains(name) ? faults_[name] : "it is missing")));
      order.push_back(&found->second);
    }
    return Stack(std::move(order));
  }

  const ReadMore& read_;
  Shared shared_;
  std::string block_, manifest_;
  std::optional<Error> trouble_;
  std::map<std::string, Layer> layers_;
  std::map<std::string, std::string> links_, faults_;
};

}  // namespace

Result<ImageScan> scan_image(const ReadMore& read, const ScanOptions& options) { return Export(read, options).scan(); }

}  // namespace tiltyard::flags
