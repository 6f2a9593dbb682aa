#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tiltyard::engine::docker {

/// Takes the engine's two output streams apart again. Each piece is preceded by 8 bytes: stream (1 output, 2 error),
/// three zeros, length (big endian). Format: docs.docker.com/engine/api, "ContainerAttach".
class Frames {
 public:
  struct Piece {
    bool error_stream = false;
    std::string data;
  };

  void take(std::string_view bytes) { pending_ += bytes; }
  /// The next piece, as far as it has arrived; nullopt: more bytes are needed.
  std::optional<Piece> next();

 private:
  std::string pending_;
  std::size_t left_ = 0;  ///< of the piece that is being read
  bool error_stream_ = false;
};

}  // namespace tiltyard::engine::docker
