#pragma once

#include <optional>
#include <string>

namespace tiltyard::engine::docker {

/// Takes the engine's two output streams apart again. Each piece is preceded by 8 bytes: stream (1 output, 2 error),
/// three zeros, length (big endian). Format: docs.docker.com/engine/api, "ContainerAttach".
class Frames {
 public:
  struct Piece {
    bool error_stream = false;
    std::string data;
  };

  void take(std::string bytes);
  /// The next piece, as far as it has arrived; nullopt: more bytes are needed. What is read bit by bit is copied once.
  std::optional<Piece> next();

 private:
  std::size_t size() const { return pending_.size() - at_; }

  std::string pending_;
  std::size_t at_ = 0;    ///< what of it has been given out
  std::size_t left_ = 0;  ///< of the piece that is being read
  bool error_stream_ = false;
};

}  // namespace tiltyard::engine::docker
