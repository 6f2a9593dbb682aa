#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// Tar streams as images are made of, for tests.
namespace tiltyard::flags::testing_tar {

struct Entry {
  enum class Kind { kFile, kFolder, kSymlink, kHardLink };
  std::string path;
  Kind kind = Kind::kFile;
  std::string content;  ///< of a file; the target of a link
  int mode = 0644;
  std::int64_t uid = 0, gid = 0;
  std::int64_t seconds = 1'000'000'000;
  std::string capability = {};
};

/// `format`: "pax" or "gnutar". `filter`: "none", "gzip" or "zstd".
inline std::string tar_of(const std::vector<Entry>& entries, const std::string& filter = "none",
                          const std::string& format = "pax") {
  std::string out;
  archive* writer = archive_write_new();
  if (format == "pax") archive_write_set_format_pax_restricted(writer);
  else archive_write_set_format_gnutar(writer);
  if (filter == "gzip") archive_write_add_filter_gzip(writer);
  if (filter == "zstd") archive_write_add_filter_zstd(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  auto put = [](archive*, void* client, const void* bytes, std::size_t size) -> la_ssize_t {
    static_cast<std::string*>(client)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  archive_write_open(writer, &out, nullptr, put, nullptr);
  for (const auto& from : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, from.path.c_str());
    archive_entry_set_perm(entry, static_cast<__LA_MODE_T>(from.mode));
    archive_entry_set_uid(entry, from.uid);
    archive_entry_set_gid(entry, from.gid);
    archive_entry_set_mtime(entry, from.seconds, 0);
    archive_entry_set_filetype(entry, AE_IFREG);
    if (from.kind == Entry::Kind::kFolder) archive_entry_set_filetype(entry, AE_IFDIR);
    if (from.kind == Entry::Kind::kSymlink) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, from.content.c_str());
    }
    if (from.kind == Entry::Kind::kHardLink) archive_entry_set_hardlink(entry, from.content.c_str());
    const bool file = from.kind == Entry::Kind::kFile;
    archive_entry_set_size(entry, file ? static_cast<la_int64_t>(from.content.size()) : 0);
    if (!from.capability.empty()) {
      archive_entry_xattr_add_entry(entry, "security.capability", from.capability.data(), from.capability.size());
    }
    archive_write_header(writer, entry);
    if (file) archive_write_data(writer, from.content.data(), from.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return out;
}

/// An export of an image: the layers from the lowest up, written in the order `order` says (indices; empty: as they
/// are).
inline std::string image_of(const std::vector<std::string>& layers, std::vector<std::size_t> order = {}) {
  if (order.empty()) {
    for (std::size_t i = 0; i < layers.size(); ++i) order.push_back(i);
  }
  std::vector<Entry> entries;
  std::string names;
  for (std::size_t i = 0; i < layers.size(); ++i)
    names += (i > 0 ? "," : "") + std::string("\"l") + std::to_string(i) + "/layer.tar\"";
  for (const auto i : order) {
    const std::string folder = "l" + std::to_string(i);
    entries.push_back({folder + "/", Entry::Kind::kFolder, {}});
    entries.push_back({folder + "/VERSION", Entry::Kind::kFile, "1.0"});
    entries.push_back({folder + "/json", Entry::Kind::kFile, "{}"});
    entries.push_back({folder + "/layer.tar", Entry::Kind::kFile, layers[i]});
  }
  entries.push_back({"manifest.json", Entry::Kind::kFile,
                     "[{\"Config\":\"c.json\",\"RepoTags\":[\"t:1\"],\"Layers\":[" + names + "]}]"});
  return tar_of(entries);
}

}  // namespace tiltyard::flags::testing_tar
