#include "imports/manifest.h"

#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/json.h"
#include "base/text.h"

namespace tiltyard::imports {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::optional<std::string> hash_of_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, 32);
  std::vector<char> piece(128 * 1024);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(piece.data()),
                              static_cast<unsigned long long>(in.gcount()));
  }
  std::array<unsigned char, 32> out{};
  crypto_generichash_final(&state, out.data(), out.size());
  return hex(std::span<const unsigned char>(out));
}

}  // namespace

std::optional<Manifest> read_manifest(const std::string& folder) {
  std::error_code ignored;
  const auto path = fs::path(folder) / kManifestFile;
  if (fs::file_size(path, ignored) > 64 * 1024 * 1024 || ignored) return std::nullopt;
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  boost::system::error_code failure;
  const auto value = json::parse(text.str(), failure);
  if (failure || !value.is_object()) return std::nullopt;
  Manifest out{text_of(value, "format"), text_of(value, "source"), text_of(value, "root"), text_of(value, "key"), {}};
  if (const auto* files = member(value, "files").if_object()) {
    for (const auto& [name, hash] : *files) out.files.emplace(name, text_of(hash));
  }
  return out;
}

std::string manifest_text(const Manifest& manifest) {
  std::string out =
      fmt::format("{{\n\"format\": {},\n\"source\": {},\n\"root\": {},\n\"key\": {},\n\"files\": {{",
                  json::serialize(json::string(manifest.format)), json::serialize(json::string(manifest.source)),
                  json::serialize(json::string(manifest.root)), json::serialize(json::string(manifest.key)));
  bool first = true;
  for (const auto& [name, hash] : manifest.files) {
    out += fmt::format("{}\n  {}: {}", std::exchange(first, false) ? "" : ",", json::serialize(json::string(name)),
                       json::serialize(json::string(hash)));
  }
  return out + "\n}\n}\n";
}

Result<std::map<std::string, std::string>> files_below(const std::string& folder) {
  std::map<std::string, std::string> out;
  std::error_code failure;
  for (fs::recursive_directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    struct stat info{};
    if (::lstat(at->path().c_str(), &info) != 0 || S_ISDIR(info.st_mode)) continue;
    const auto name = at->path().lexically_relative(folder).generic_string();
    if (name == kManifestFile) continue;
    if (S_ISLNK(info.st_mode)) {
      std::error_code ignored;
      out[name] = "-> " + fs::read_symlink(at->path(), ignored).string();
      continue;
    }
    const auto hash = S_ISREG(info.st_mode) ? hash_of_file(at->path()) : std::optional<std::string>("no file");
    if (!hash) return fail(Code::kInternal, "file-unreadable", fmt::format("{} cannot be read.", at->path().string()));
    out[name] = fmt::format("{} {:o}", *hash, info.st_mode & 0777);
  }
  if (failure)
    return fail(Code::kInternal, "file-unreadable", fmt::format("{} cannot be read: {}.", folder, failure.message()));
  return out;
}

}  // namespace tiltyard::imports
