#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::http {

/// RFC 6455, 5.2.
enum class Opcode : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

/// RFC 6455, 7.4.1: what a connection was closed for.
inline constexpr std::uint16_t kCloseNormal = 1000, kCloseGoingAway = 1001, kCloseProtocol = 1002, kCloseNotText = 1007,
                               kClosePolicy = 1008, kCloseTooLarge = 1009;

/// The head of an unmasked, whole frame: what a server sends before `size` bytes of payload.
std::string frame_head(Opcode opcode, std::size_t size);
/// A whole unmasked frame.
std::string frame_of(Opcode opcode, std::string_view payload);
/// The payload of a close frame; the reason is cut to what a control frame can hold.
std::string close_payload(std::uint16_t code, std::string_view reason);

/// A message, or a control frame.
struct FrameEvent {
  enum class Kind : std::uint8_t { kText, kBinary, kPing, kPong, kClose };
  Kind kind = Kind::kText;
  std::string data;  ///< of a close: the code's two bytes and the reason, as they came
};

/// Reads the frames that a client sends (RFC 6455, 5): masked, perhaps in fragments with control frames between them.
/// Holds no memory between messages. Takes the bytes in pieces of any size.
class FrameReader {
 public:
  /// A message may have `limit` bytes, all its fragments together.
  explicit FrameReader(std::size_t limit) : limit_(limit) {}
  void allow(std::size_t limit) { limit_ = limit; }
  /// Bytes of a message that is not whole yet.
  std::size_t held() const { return message_.size(); }

  /// Appends what the bytes complete. The answer is the close code of what is wrong with them; nothing may be fed after
  /// it.
  std::optional<std::uint16_t> feed(std::string_view bytes, std::vector<FrameEvent>& out);

 private:
  std::size_t head_size() const;
  std::optional<std::uint16_t> begin_frame();
  std::optional<std::uint16_t> end_frame(std::vector<FrameEvent>& out);

  std::size_t limit_;
  std::string message_;  ///< the payload of the data frames so far
  std::string control_;  ///< of the control frame at hand
  std::uint64_t left_ = 0;
  std::array<char, 14> head_{};
  std::array<char, 4> mask_{};
  std::uint8_t have_ = 0, mask_at_ = 0;
  bool in_payload_ = false, in_message_ = false, text_ = false;
};

}  // namespace tiltyard::http
