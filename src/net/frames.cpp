#include "net/frames.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace tiltyard::http {
namespace {

constexpr std::size_t kMostControl = 125;

bool is_control(std::uint8_t opcode) { return opcode >= 8; }

bool known(std::uint8_t opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

/// RFC 6455, 7.4: codes that may be sent at all.
bool good_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

bool good_close(std::string_view payload) {
  if (payload.empty()) return true;
  if (payload.size() == 1) return false;
  const auto code =
      static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]));
  return good_close_code(code) && is_utf8(payload.substr(2));
}

}  // namespace

std::string frame_head(Opcode opcode, std::size_t size) {
  std::string head;
  head.push_back(static_cast<char>(0x80 | static_cast<std::uint8_t>(opcode)));
  if (size < 126) {
    head.push_back(static_cast<char>(size));
    return head;
  }
  const int bytes = size < 65536 ? 2 : 8;
  head.push_back(static_cast<char>(bytes == 2 ? 126 : 127));
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
    head.push_back(static_cast<char>(static_cast<std::uint64_t>(size) >> shift & 0xFF));
  return head;
}

std::string frame_of(Opcode opcode, std::string_view payload) {
  std::string frame = frame_head(opcode, payload.size());
  frame.append(payload);
  return frame;
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  payload.append(reason.substr(0, kMostControl - 2));
  return payload;
}

/// Of the frame at hand, as far as its first two bytes are known.
std::size_t FrameReader::head_size() const {
  if (have_ < 2) return 2;
  const auto length = static_cast<std::uint8_t>(head_[1]) & 0x7F;
  return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

std::optional<std::uint16_t> FrameReader::begin_frame() {
  const auto first = static_cast<std::uint8_t>(head_[0]);
  const auto second = static_cast<std::uint8_t>(head_[1]);
  const std::uint8_t opcode = first & 0x0F;
  const bool final = (first & 0x80) != 0;
  // No extension was agreed on (5.2).
  if ((first & 0x70) != 0 || !known(opcode)) return kCloseProtocol;
  std::uint64_t size = second & 0x7F;
  std::size_t at = 2;
  if (size >= 126) {
    const std::size_t bytes = size == 126 ? 2 : 8;
    size = 0;
    for (std::size_t i = 0; i < bytes; ++i) size = size << 8 | static_cast<std::uint8_t>(head_[at++]);
    if (size < (bytes == 2 ? 126U : 65536U) || size >> 63 != 0) return kCloseProtocol;
  }
  std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(at), 4, mask_.begin());
  if (is_control(opcode)) {
    if (!final || size > kMostControl) return kCloseProtocol;
  } else {
    const bool goes_on = opcode == 0;
    if (goes_on != in_message_) return kCloseProtocol;
    if (size > limit_ - message_.size()) return kCloseTooLarge;
    if (!goes_on) text_ = opcode == static_cast<std::uint8_t>(Opcode::kText);
    in_message_ = true;
  }
  left_ = size;
  mask_at_ = 0;
  in_payload_ = true;
  return std::nullopt;
}

std::optional<std::uint16_t> FrameReader::end_frame(std::vector<FrameEvent>& out) {
  const auto first = static_cast<std::uint8_t>(head_[0]);
  const auto opcode = static_cast<Opcode>(first & 0x0F);
  in_payload_ = false;
  have_ = 0;
  using Kind = FrameEvent::Kind;
  if (is_control(first & 0x0F)) {
    if (opcode == Opcode::kClose && !good_close(control_)) return kCloseProtocol;
    const Kind kind = opcode == Opcode::kClose ? Kind::kClose : opcode == Opcode::kPing ? Kind::kPing : Kind::kPong;
    out.push_back({kind, std::exchange(control_, {})});
    return std::nullopt;
  }
  if ((first & 0x80) == 0) return std::nullopt;
  in_message_ = false;
  if (text_ && !is_utf8(message_)) return kCloseNotText;
  out.push_back({text_ ? Kind::kText : Kind::kBinary, std::exchange(message_, {})});
  return std::nullopt;
}

std::optional<std::uint16_t> FrameReader::feed(std::string_view bytes, std::vector<FrameEvent>& out) {
  while (true) {
    if (!in_payload_) {
      const std::size_t more = std::min(bytes.size(), head_size() - have_);
      std::copy_n(bytes.begin(), more, head_.begin() + have_);
      have_ = static_cast<std::uint8_t>(have_ + more);
      bytes.remove_prefix(more);
      // Not masked: what would be its mask need not come.
      if (have_ >= 2 && (static_cast<std::uint8_t>(head_[1]) & 0x80) == 0) return kCloseProtocol;
      if (have_ < head_size()) {
        if (bytes.empty()) return std::nullopt;
        continue;
      }
      if (const auto wrong = begin_frame()) return wrong;
    }
    const auto piece = bytes.substr(0, left_);
    std::string& into = is_control(static_cast<std::uint8_t>(head_[0]) & 0x0F) ? control_ : message_;
    const std::size_t had = into.size();
    into.append(piece);
    for (std::size_t i = had; i < into.size(); ++i) into[i] = static_cast<char>(into[i] ^ mask_[mask_at_++ & 3]);
    mask_at_ &= 3;
    bytes.remove_prefix(piece.size());
    left_ -= piece.size();
    if (left_ > 0) return std::nullopt;
    if (const auto wrong = end_frame(out)) return wrong;
  }
}

}  // namespace tiltyard::http
