#include "engine/docker/frames.h"

#include <algorithm>

namespace tiltyard::engine::docker {

void Frames::take(std::string bytes) {
  if (size() == 0) {
    pending_ = std::move(bytes);
  } else {
    pending_.erase(0, at_);
    pending_ += bytes;
  }
  at_ = 0;
}

std::optional<Frames::Piece> Frames::next() {
  constexpr std::size_t kHeader = 8;
  while (left_ == 0) {
    if (size() < kHeader) return std::nullopt;
    error_stream_ = pending_[at_] == 2;
    for (std::size_t i = 4; i < kHeader; ++i) left_ = left_ << 8 | static_cast<unsigned char>(pending_[at_ + i]);
    at_ += kHeader;
  }
  if (size() == 0) return std::nullopt;
  const std::size_t taken = std::min(left_, size());
  Piece out{error_stream_, pending_.substr(at_, taken)};
  at_ += taken;
  left_ -= taken;
  return out;
}

}  // namespace tiltyard::engine::docker
