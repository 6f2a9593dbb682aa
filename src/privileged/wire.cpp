#include "privileged/wire.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace tiltyard::privileged {
namespace {

constexpr std::size_t kMostFiles = 4;  // received, to be closed; more are closed by the kernel

std::unexpected<Error> lost() {
  const int why = errno;
  return fail(Code::kUnavailable, "privileged-lost", "The privileged half of the server does not answer.",
              std::strerror(why));
}

std::unexpected<Error> too_long() {
  return fail(Code::kTooLarge, "message-too-long", "A message between the server and its privileged half is too long.");
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<> send_message(int socket, std::string_view text, int file) {
  if (text.size() > kLongestMessage) return too_long();
  iovec piece{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (file >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return lost();
  }
  return {};
}

Result<Message> receive_message(int socket) {
  Message out;
  out.text.resize(kLongestMessage + 1);
  iovec piece{out.text.data(), out.text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFiles * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = -1;
  while ((got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno != EINTR) return lost();
  }
  std::size_t files = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i, ++files) {
      int file = -1;
      std::memcpy(&file, CMSG_DATA(header) + i * sizeof file, sizeof file);
      out.file = Descriptor(file);
    }
  }
  if (files > 1 || (message.msg_flags & MSG_CTRUNC) != 0)
    return fail(Code::kInvalid, "message-refused", "A message carries one open file at most.");
  if ((message.msg_flags & MSG_TRUNC) != 0 || static_cast<std::size_t>(got) > kLongestMessage) return too_long();
  out.text.resize(static_cast<std::size_t>(got));
  return out;
}

}  // namespace tiltyard::privileged
