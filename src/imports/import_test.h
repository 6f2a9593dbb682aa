#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "imports/import.h"

namespace tiltyard::imports {

inline std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline ImportOptions test_options(const std::filesystem::path& into) {
  ImportOptions options;
  options.into = into.string();
  options.templates.bounds = templates::standard_bounds();
  return options;
}

/// One entry of an archive; a target makes it a link.
struct Packed {
  std::string name, text, target;
};

inline void pack(const std::vector<Packed>& entries, const std::filesystem::path& file) {
  auto* out = archive_write_new();
  archive_write_set_format_zip(out);
  archive_write_open_filename(out, file.c_str());
  for (const auto& one : entries) {
    auto* entry = archive_entry_new();
    archive_entry_set_pathname(entry, one.name.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_filetype(entry, one.target.empty() ? AE_IFREG : AE_IFLNK);
    if (!one.target.empty()) archive_entry_set_symlink(entry, one.target.c_str());
    else archive_entry_set_size(entry, static_cast<la_int64_t>(one.text.size()));
    archive_write_header(out, entry);
    if (one.target.empty()) archive_write_data(out, one.text.data(), one.text.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
}

inline void pack_folder(const std::filesystem::path& folder, const std::filesystem::path& file) {
  std::vector<Packed> entries;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      entries.push_back({entry.path().lexically_relative(folder).generic_string(), text_of_file(entry.path()), ""});
  }
  std::ranges::sort(entries, {}, &Packed::name);
  pack(entries, file);
}

}  // namespace tiltyard::imports
