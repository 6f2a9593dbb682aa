#include "engine/docker/frames.h"

#include <algorithm>

namespace tiltyard::engine::docker {

std::optional<Frames::Piece> Frames::next() {
  constexpr std::size_t kHeader = 8;
  while (left_ == 0) {
    if (pending_.size() < kHeader) return std::nullopt;
    error_stream_ = pending_[0] == 2;
    for (std::size_t i = 4; i < kHeader; ++i) left_ = left_ << 8 | static_cast<unsigned char>(pending_[i]);
    pending_.erase(0, kHeader);
  }
  if (pending_.empty()) return std::nullopt;
  const std::size_t size = std::min(left_, pending_.size());
  Piece out{error_stream_, pending_.substr(0, size)};
  pending_.erase(0, size);
  left_ -= size;
  return out;
}

}  // namespace tiltyard::engine::docker
