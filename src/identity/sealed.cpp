#include "identity/sealed.h"

#include <sodium.h>

#include <array>

#include "base/base64url.h"

namespace tiltyard::identity {
namespace {

constexpr std::size_t kLongest = 4096;
constexpr std::size_t kOverhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;

using Key = std::array<unsigned char, crypto_secretbox_KEYBYTES>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Key key_for(const Secret& master, std::string_view purpose) {
  Key key{};
  const auto& text = master.reveal();
  crypto_generichash_state state;
  crypto_generichash_init(&state, bytes(purpose), purpose.size(), key.size());
  crypto_generichash_update(&state, bytes(text), text.size());
  crypto_generichash_final(&state, key.data(), key.size());
  return key;
}

}  // namespace

std::string seal(std::string_view text, const Secret& master, std::string_view purpose) {
  const auto key = key_for(master, purpose);
  std::string box(kOverhead + text.size(), '\0');
  auto* out = reinterpret_cast<unsigned char*>(box.data());
  randombytes_buf(out, crypto_secretbox_NONCEBYTES);
  crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, bytes(text), text.size(), out, key.data());
  return base64url(box);
}

std::optional<std::string> unseal(std::string_view sealed, const Secret& master, std::string_view purpose) {
  if (sealed.size() > kLongest) return std::nullopt;
  const auto box = from_base64url(sealed);
  if (!box || box->size() < kOverhead) return std::nullopt;
  const auto key = key_for(master, purpose);
  const auto* in = bytes(*box);
  std::string text(box->size() - kOverhead, '\0');
  if (crypto_secretbox_open_easy(reinterpret_cast<unsigned char*>(text.data()), in + crypto_secretbox_NONCEBYTES,
                                 box->size() - crypto_secretbox_NONCEBYTES, in, key.data()) != 0)
    return std::nullopt;
  return text;
}

}  // namespace tiltyard::identity
