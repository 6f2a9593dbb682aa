#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

/// The Remote Framebuffer protocol (RFC 6143, and the extensions of https://github.com/rfbproto/rfbproto that noVNC
/// speaks), as far as somebody in between has to know it.
namespace tiltyard::desktop::rfb {

inline constexpr std::size_t kVersionSize = 12;
inline constexpr std::string_view kVersion = "RFB 003.008\n";

/// Ways of asking who one is.
enum class Security : std::uint8_t { kNone = 1, kVnc = 2 };

using Challenge = std::array<unsigned char, 16>;

/// What proves to a server that asked so that one knows the password, of which it hears 8 bytes (RFC 6143, 7.2.2):
/// DES with the password as its key, each byte's bits in reverse order.
Challenge answer_to(const Challenge& challenge, std::string_view password);

/// A client's messages without those that do something: who watches asks for pictures and says how it wants them, and
/// neither types nor points nor pastes nor changes the size. What comes may be cut anywhere.
class Watching {
 public:
  /// What may pass of the bytes that came next. `rfb-unknown`: a message of which nobody here knows the length.
  Result<std::string> filter(std::string_view bytes);

 private:
  struct Message {
    std::size_t size = 0;  ///< of the whole, as far as `held_` tells; 0: it does not tell yet
    bool passes = false;
    bool known = true;
  };
  Message message() const;

  std::string held_;        ///< the beginning of a message whose length is not known yet: at most 9 bytes
  std::uint64_t left_ = 0;  ///< of the message under way
  bool passes_ = false;
};

}  // namespace tiltyard::desktop::rfb
