#include "gateway/body.h"

#include <algorithm>
#include <cstring>

namespace tiltyard::gateway {

namespace {

constexpr std::uint32_t kMaxOverhead = 16 * 1024;  // bytes of extensions and trailers in one body
constexpr std::uint8_t kMaxDigits = 15;            // so that a chunk's size fits 64 bits

void move_down(char* to, const char* from, std::size_t size) {
  if (to != from) std::memmove(to, from, size);
}

int hex_value(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

}  // namespace

void BodyFilter::begin(Framing framing, bool decode, Reading reading) {
  kind_ = framing.kind;
  lenient_ = reading == Reading::kAnswer;
  decode_ = decode;
  state_ = State::kSizeFirst;
  digits_ = 0;
  overhead_ = 0;
  left_ = framing.length;
  done_ = kind_ == Framing::Kind::kNone || (kind_ == Framing::Kind::kLength && left_ == 0);
}

std::optional<std::string_view> BodyFilter::missing_end() const {
  if (!lenient_ || kind_ != Framing::Kind::kChunked || state_ < State::kTrailerFirst) return std::nullopt;
  if (decode_) return "";
  return state_ == State::kEndFeed ? "\n" : "\r\n";
}

BodyFilter::Step BodyFilter::filter(char* raw, std::size_t size, char* to) {
  if (done_ || size == 0) return {};
  if (kind_ == Framing::Kind::kChunked) return filter_chunks(raw, size, to);
  std::size_t taken = size;
  if (kind_ == Framing::Kind::kLength) {
    taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
    left_ -= taken;
    done_ = left_ == 0;
  }
  move_down(to, raw, taken);
  return {taken, taken, true};
}

BodyFilter::Step BodyFilter::filter_chunks(char* raw, std::size_t size, char* to) {
  Step step;
  while (step.consumed < size && !done_) {
    char* from = raw + step.consumed;
    if (state_ == State::kData) {
      auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - step.consumed));
      move_down(to + step.produced, from, taken);
      step.consumed += taken;
      step.produced += taken;
      left_ -= taken;
      if (left_ == 0) state_ = State::kDataReturn;
      continue;
    }
    bool keep = true;
    char byte = *from;
    if (!framing_byte(static_cast<unsigned char>(byte), keep)) {
      step.valid = false;
      return step;
    }
    ++step.consumed;
    if (keep && !decode_) to[step.produced++] = byte;
  }
  return step;
}

bool BodyFilter::framing_byte(unsigned char byte, bool& keep) {
  switch (state_) {
    case State::kDataReturn:
      state_ = State::kDataFeed;
      return byte == '\r';
    case State::kDataFeed:
      state_ = State::kSizeFirst;
      return byte == '\n';
    case State::kTrailerFirst:
    case State::kTrailer:
    case State::kTrailerFeed:
    case State::kEndFeed:
      return trailer_byte(byte, keep);
    default:
      return size_byte(byte, keep);
  }
}

bool BodyFilter::size_byte(unsigned char byte, bool& keep) {
  if (state_ == State::kSizeFirst) {
    left_ = 0;
    digits_ = 0;
  }
  if (state_ == State::kSizeFirst || state_ == State::kSize) {
    if (int value = hex_value(byte); value >= 0) {
      state_ = State::kSize;
      const bool counts = !lenient_ || left_ > 0 || value > 0;
      left_ = left_ * 16 + static_cast<unsigned>(value);
      return counts ? ++digits_ <= kMaxDigits : ++overhead_ <= kMaxOverhead;
    }
    if (state_ == State::kSizeFirst) return false;
  }
  if (state_ == State::kSizeFeed) {
    state_ = left_ == 0 ? State::kTrailerFirst : State::kData;
    return byte == '\n';
  }
  if (byte == '\r' && (lenient_ || state_ != State::kSpace)) {
    state_ = State::kSizeFeed;
    return true;
  }
  keep = false;
  if (++overhead_ > kMaxOverhead) return false;
  if (state_ == State::kExtension) return is_text(byte);
  // White space may stand before an extension only (RFC 9112 section 7.1.1), or pad an answer's size.
  state_ = byte == ';' ? State::kExtension : State::kSpace;
  return byte == ';' || byte == ' ' || byte == '\t';
}

bool BodyFilter::trailer_byte(unsigned char byte, bool& keep) {
  if (state_ == State::kEndFeed) {
    done_ = true;
    return byte == '\n';
  }
  if (state_ == State::kTrailerFirst && byte == '\r') {
    state_ = State::kEndFeed;
    return true;
  }
  keep = false;
  if (++overhead_ > kMaxOverhead) return false;
  if (state_ == State::kTrailerFeed) {
    state_ = State::kTrailerFirst;
    return byte == '\n';
  }
  state_ = byte == '\r' ? State::kTrailerFeed : State::kTrailer;
  return byte == '\r' || is_text(byte);
}

}  // namespace tiltyard::gateway
