#include "identity/secrets.h"

#include "base/id.h"
#include "base/text.h"

#include <sodium.h>

#include <algorithm>
#include <array>

namespace tiltyard::identity {
namespace {

constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kTokenPrefix = "ty_";
constexpr std::size_t kTokenLength = 40;
constexpr std::size_t kRandomBytes = 32;
constexpr std::size_t kRandomLength = 43;

constexpr auto kAlphanumeric = [] {
  std::array<bool, 256> table{};
  for (const unsigned char c : kBase62) table[c] = true;
  return table;
}();

bool alphanumeric(char c) { return kAlphanumeric[static_cast<unsigned char>(c)]; }

}  // namespace

Secret new_token() {
  std::string token(kTokenPrefix);
  for (std::size_t i = 0; i < kTokenLength; ++i) token += kBase62[randombytes_uniform(kBase62.size())];
  return Secret(std::move(token));
}

bool looks_like_token(std::string_view text) {
  return text.starts_with(kTokenPrefix) && text.size() == kTokenPrefix.size() + kTokenLength &&
         std::ranges::all_of(text.substr(kTokenPrefix.size()), alphanumeric);
}

Secret new_random_value() {
  std::array<unsigned char, kRandomBytes> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string text(kRandomLength + 1, '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  sodium_memzero(bytes.data(), bytes.size());
  text.resize(kRandomLength);
  return Secret(std::move(text));
}

bool looks_like_random_value(std::string_view text) {
  return text.size() == kRandomLength &&
         std::ranges::all_of(text, [](char c) { return alphanumeric(c) || c == '-' || c == '_'; });
}

Secret new_code() {
  const auto digits = random_hex(10);
  std::string code;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i % 5 == 0) code += '-';
    code += digits[i];
  }
  return Secret(std::move(code));
}

std::string code_hash(std::string_view typed) {
  std::string digits;
  for (const char c : typed) {
    if (alphanumeric(c)) digits += lower(c);
  }
  return fingerprint("code " + digits);
}

std::string fingerprint(std::string_view secret) {
  std::array<unsigned char, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
                     nullptr, 0);
  return hex(hash);
}

}  // namespace tiltyard::identity
