#include "ssh/public_key.h"

#include <fmt/format.h>
#include <sodium/utils.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "base/base64url.h"
#include "base/text.h"
#include "base/utf8.h"

namespace tiltyard::ssh {
namespace {

constexpr std::array<std::string_view, 7> kTypes = {"ssh-ed25519",
                                                    "ecdsa-sha2-nistp256",
                                                    "ecdsa-sha2-nistp384",
                                                    "ecdsa-sha2-nistp521",
                                                    "sk-ssh-ed25519@openssh.com",
                                                    "sk-ecdsa-sha2-nistp256@openssh.com",
                                                    "ssh-rsa"};
constexpr std::size_t kLongestBlob = 4096;  // of RSA with 16,384 bits there are 2 KiB
constexpr std::size_t kLongestComment = 100;
constexpr std::size_t kLeastRsaBits = 2048;

std::unexpected<Error> wrong(std::string message) { return fail(Code::kInvalid, "key-invalid", std::move(message)); }

std::optional<std::string> from_base64(std::string_view text) {
  std::string out(text.size(), '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  const int read = sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(), text.size(),
                                     nullptr, &size, &end, sodium_base64_VARIANT_ORIGINAL);
  if (read != 0 || end != text.data() + text.size()) return std::nullopt;
  out.resize(size);
  return out;
}

/// The next string of a blob (RFC 4251, 5), taken off it; nullopt: it is cut.
std::optional<std::string_view> take(std::string_view& blob) {
  if (blob.size() < 4) return std::nullopt;
  std::uint32_t size = 0;
  for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(blob[static_cast<std::size_t>(i)]);
  if (size > blob.size() - 4) return std::nullopt;
  const auto text = blob.substr(4, size);
  blob.remove_prefix(4 + size);
  return text;
}

/// Bits of a number as RFC 4251 (5, mpint) writes it.
std::size_t bits_of(std::string_view number) {
  while (!number.empty() && number.front() == 0) number.remove_prefix(1);
  if (number.empty()) return 0;
  std::size_t first = 0;
  for (auto byte = static_cast<unsigned char>(number.front()); byte != 0; byte >>= 1) ++first;
  return (number.size() - 1) * 8 + first;
}

/// How many texts stand behind the type, and of which length the one that says most of it is (0: any).
struct Shape {
  std::size_t texts = 0, which = 0, size = 0;
};
Shape shape_of(std::string_view type) {
  if (type == "ssh-ed25519") return {1, 0, 32};
  if (type == "sk-ssh-ed25519@openssh.com") return {2, 0, 32};
  if (type == "sk-ecdsa-sha2-nistp256@openssh.com") return {3, 1, 65};
  if (type == "ecdsa-sha2-nistp256") return {2, 1, 65};
  if (type == "ecdsa-sha2-nistp384") return {2, 1, 97};
  if (type == "ecdsa-sha2-nistp521") return {2, 1, 133};
  return {2, 0, 0};
}

Result<> check_blob(std::string_view type, std::string_view blob) {
  const auto said = take(blob);
  if (!said || *said != type) return wrong("The key is cut, or it is of another kind than it says.");
  const auto shape = shape_of(type);
  std::vector<std::string_view> texts;
  for (std::size_t i = 0; i < shape.texts; ++i) {
    const auto text = take(blob);
    if (!text) return wrong("The key is cut.");
    texts.push_back(*text);
  }
  if (!blob.empty() || (shape.size != 0 && texts[shape.which].size() != shape.size))
    return wrong("The key is not whole.");
  if (type == "ssh-rsa" && bits_of(texts[1]) < kLeastRsaBits)
    return wrong("An RSA key needs 2,048 bits at least. Make a better one: ssh-keygen -t ed25519");
  return {};
}

std::string_view word_of(std::string_view& line) {
  line = trim(line);
  const auto word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

std::string comment_of(std::string_view text) {
  std::string kept;
  for (const char c : as_utf8(std::string(trim(text)))) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) kept += c;
    if (kept.size() == kLongestComment) break;
  }
  return as_utf8(kept);
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  out.pop_back();  // the zero at its end
  return out;
}

std::string fingerprint_of(std::string_view blob) {
  auto text = base64(sha256(blob));
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

std::string PublicKey::line() const { return type + " " + base64(blob); }

Result<PublicKey> read_public_key(std::string_view line) {
  if (line.contains("PRIVATE KEY"))
    return wrong("This is a private key, which nobody but you should have. Give the file that ends in .pub.");
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (line.contains('\n') || line.contains('\0')) return wrong("One key is one line, as in a file that ends in .pub.");
  PublicKey key;
  key.type = std::string(word_of(line));
  if (key.type.contains("-cert-")) return wrong("This is a certificate. Give the key that it is for.");
  if (std::ranges::find(kTypes, key.type) == kTypes.end()) {
    return wrong(fmt::format("A key begins with its kind, which is one of {}. Make one: ssh-keygen -t ed25519",
                             fmt::join(kTypes, ", ")));
  }
  const auto text = word_of(line);
  auto blob = text.size() <= kLongestBlob ? from_base64(text) : std::nullopt;
  if (!blob) return wrong("What stands behind the key's kind is no key.");
  key.blob = std::move(*blob);
  if (auto good = check_blob(key.type, key.blob); !good) return fail(std::move(good.error()));
  key.comment = comment_of(line);
  return key;
}

std::vector<PublicKey> read_public_keys(std::string_view text, std::size_t most) {
  std::vector<PublicKey> keys;
  while (!text.empty() && keys.size() < most) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (auto key = read_public_key(line)) keys.push_back(std::move(*key));
  }
  return keys;
}

}  // namespace tiltyard::ssh
