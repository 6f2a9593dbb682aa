#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

/// How the server and its privileged half talk: one message to ask, one to answer, over a socket of kind SEQPACKET, so
/// that nothing has to be taken apart. A message is JSON, and may carry one open file.
namespace tiltyard::privileged {

inline constexpr std::size_t kLongestMessage = 64 * 1024;

/// An open file, closed at its end.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  /// It is the caller's to close from here on.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct Message {
  std::string text;
  Descriptor file;
};

/// Blocking, for as long as the socket's own deadline allows. `privileged-lost`; `message-too-long`.
Result<> send_message(int socket, std::string_view text, int file = -1);
/// An empty text: the other side has closed. `privileged-lost`; `message-too-long`; `message-refused` for more files
/// than one.
Result<Message> receive_message(int socket);

}  // namespace tiltyard::privileged
