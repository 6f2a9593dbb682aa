#include "desktop/rfb.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace tiltyard::desktop::rfb {
namespace {

// Kinds of messages of clients: RFC 6143 7.5, and the registry of the community's document.
enum : std::uint8_t {
  kSetPixelFormat = 0,
  kSetEncodings = 2,
  kUpdateRequest = 3,
  kKey = 4,
  kPointer = 5,
  kCutText = 6,
  kContinuousUpdates = 150,
  kFence = 248,
  kPower = 250,
  kSetDesktopSize = 251,
  kQemu = 255
};

unsigned char mirrored(unsigned char byte) {
  unsigned char out = 0;
  for (int bit = 0; bit < 8; ++bit) out = static_cast<unsigned char>(out << 1 | ((byte >> bit) & 1));
  return out;
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | byte_at(bytes, at + i);
  return value;
}

}  // namespace

Challenge answer_to(const Challenge& challenge, std::string_view password) {
  // Single DES is in OpenSSL's legacy provider alone; three times with one key is the same.
  std::array<unsigned char, 24> key{};
  for (std::size_t i = 0; i < std::min<std::size_t>(password.size(), 8); ++i)
    key[i] = key[i + 8] = key[i + 16] = mirrored(byte_at(password, i));
  Challenge answer{};
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free);
  int written = 0;
  const bool done =
      context && EVP_EncryptInit_ex(context.get(), EVP_des_ede3_ecb(), nullptr, key.data(), nullptr) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_EncryptUpdate(context.get(), answer.data(), &written, challenge.data(), static_cast<int>(challenge.size())) ==
          1;
  if (!done || written != static_cast<int>(answer.size())) std::abort();
  return answer;
}

Watching::Message Watching::message() const {
  const auto has = [this](std::size_t bytes) { return held_.size() >= bytes; };
  switch (byte_at(held_, 0)) {
    case kSetPixelFormat:
      return {20, true};
    case kSetEncodings:
      return has(4) ? Message{4 + 4 * std::size_t{number_at(held_, 2, 2)}, true} : Message{};
    case kUpdateRequest:
      return {10, true};
    case kKey:
      return {8, false};
    case kPointer:  // a byte more where the mask says that there are more than seven buttons
      return has(2) ? Message{(byte_at(held_, 1) & 0x80) != 0 ? 7U : 6U, false} : Message{};
    case kCutText: {
      if (!has(8)) return {};
      const auto length = static_cast<std::int32_t>(number_at(held_, 4, 4));  // negative: an extended clipboard's
      return {8 + static_cast<std::size_t>(std::abs(static_cast<std::int64_t>(length))), false};
    }
    case kContinuousUpdates:
      return {10, true};
    case kFence:
      return has(9) ? Message{9 + std::size_t{byte_at(held_, 8)}, true} : Message{};
    case kPower:
      return {4, false};
    case kSetDesktopSize:
      return has(7) ? Message{8 + 16 * std::size_t{byte_at(held_, 6)}, false} : Message{};
    case kQemu:
      if (!has(2)) return {};
      return {12, false, byte_at(held_, 1) == 0};
    default:
      return {0, false, false};
  }
}

Result<std::string> Watching::filter(std::string_view bytes) {
  std::string passed;
  while (!bytes.empty()) {
    if (left_ == 0) {
      held_ += bytes.front();
      bytes.remove_prefix(1);
      const auto next = message();
      if (!next.known)
        return fail(Code::kInvalid, "rfb-unknown", "A message that nobody here knows came from a viewer.");
      if (next.size == 0) continue;
      left_ = next.size - held_.size();
      passes_ = next.passes;
      if (passes_) passed += held_;
      held_.clear();
      continue;
    }
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    if (passes_) passed += bytes.substr(0, size);
    bytes.remove_prefix(size);
    left_ -= size;
  }
  return passed;
}

}  // namespace tiltyard::desktop::rfb
