#include "base/seal.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/text.h"

namespace tiltyard {
namespace {

constexpr std::size_t kNonce = crypto_secretbox_NONCEBYTES, kMac = crypto_secretbox_MACBYTES,
                      kKey = crypto_secretbox_KEYBYTES;

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::unexpected<Error> broken(const std::string& path, const char* what) {
  const auto name = std::filesystem::path(path).stem().string();
  return fail(Code::kInternal, name + "-key", "The key file " + path + " " + what + ".", std::strerror(errno));
}

bool write_whole(const std::string& path, const std::string& bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return false;
  const bool written =
      ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && ::fsync(file) == 0;
  ::close(file);
  return written;
}

/// A name in a folder is on the disk when the folder is.
bool sync_folder(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return false;
  const bool synced = ::fsync(file) == 0;
  ::close(file);
  return synced;
}

}  // namespace

Result<Seal> Seal::open(const std::string& folder, const std::string& name) {
  const auto path = (std::filesystem::path(folder) / (name + ".key")).string();
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string key(kKey, '\0');
  if (file < 0 && errno == ENOENT) {
    // Only one server has the data folder, so nobody else makes the file meanwhile. Beside its place, then in it: a
    // server that dies in between leaves no half of a key.
    const auto fresh = path + ".new";
    randombytes_buf(key.data(), key.size());
    if (!write_whole(fresh, key) || ::rename(fresh.c_str(), path.c_str()) != 0 || !sync_folder(folder))
      return broken(path, "cannot be made");
    return Seal(Secret(std::move(key)));
  }
  if (file < 0) return broken(path, "cannot be read");
  const bool whole = ::read(file, key.data(), key.size()) == static_cast<ssize_t>(key.size());
  ::fchmod(file, 0600);
  ::close(file);
  if (!whole) return broken(path, "is too short; remove it (what was sealed with it is lost)");
  return Seal(Secret(std::move(key)));
}

std::string Seal::close(const std::string& text) const {
  std::string sealed(kNonce + kMac + text.size(), '\0');
  randombytes_buf(sealed.data(), kNonce);
  crypto_secretbox_easy(bytes(sealed) + kNonce, bytes(text), text.size(), bytes(sealed), bytes(key_.reveal()));
  return hex(sealed);
}

std::optional<Secret> Seal::open_text(const std::string& sealed) const {
  std::string raw(sealed.size() / 2, '\0');
  std::size_t length = 0;
  if (sodium_hex2bin(bytes(raw), raw.size(), sealed.data(), sealed.size(), nullptr, &length, nullptr) != 0)
    return std::nullopt;
  if (length < kNonce + kMac) return std::nullopt;
  std::string text(length - kNonce - kMac, '\0');
  if (crypto_secretbox_open_easy(bytes(text), bytes(raw) + kNonce, length - kNonce, bytes(raw), bytes(key_.reveal())) !=
      0)
    return std::nullopt;
  return Secret(std::move(text));
}

}  // namespace tiltyard
