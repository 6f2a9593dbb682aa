#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/frames.h"
#include "net/http.h"
#include "net/transport.h"

namespace tiltyard::http {

/// Encoded frames, shared by all connections that they go to.
using SharedBytes = std::shared_ptr<const std::string>;

struct FrameLimits {
  std::size_t message = 1024 * 1024;  ///< bytes of one message of the client; over it the connection ends with 1009
  std::size_t backlog =
      1024 *
      1024;  ///< bytes that may wait for a client that does not read; what comes when it is more ends the connection
};

class FrameSocket;

/// Takes a WebSocket out of the server's hands, which from here on neither counts nor ends it. For the handler of a
/// Response's `websocket`, before it has read or written anything; `socket` is of no more use after it. Completes on
/// the caller's executor; empty when the connection ended meanwhile. Not for a client's socket.
asio::awaitable<std::shared_ptr<FrameSocket>> take_frames(std::shared_ptr<WebSocket> socket, FrameLimits limits);

/// The server's side of an open WebSocket, made for very many peers of which most are silent: no coroutine and, between
/// messages, no buffer of its own; what was sent within one turn of the loop leaves in one write. Belongs to one loop:
/// every call but `executor` is made there, and the user is called there. There are no pings of its own: who uses it
/// has a heartbeat of its own.
class FrameSocket : public std::enable_shared_from_this<FrameSocket> {
 public:
  class User {
   public:
    virtual ~User() = default;
    /// What has come, control frames left out. Reading goes on with `resume()`, so that a flood waits in the kernel.
    virtual void on_messages(std::vector<FrameEvent> messages) = 0;
    /// Told once, at the end: "client", "slow", "lost", "protocol", "memory" (none is left for it),
    /// "closed" (by us). The socket lets go of its user
    /// then.
    virtual void on_end(std::string_view why) = 0;
  };

  FrameSocket(std::shared_ptr<Transport> transport, FrameLimits limits);
  ~FrameSocket();
  FrameSocket(const FrameSocket&) = delete;
  FrameSocket& operator=(const FrameSocket&) = delete;

  void start(std::shared_ptr<User> user);
  /// A whole frame (or several). Nothing happens once the socket has ended.
  void send(SharedBytes frames);
  /// As `send`, but what is sent after it leaves in a write of its own, a moment later: for peers whose programs listen
  /// for one message after the other and miss what comes with the first (`ws` hands out all frames of a read at once).
  void send_alone(SharedBytes frames);
  void resume();
  /// How large a message of the client may be from here on.
  void allow(std::size_t message) { reader_.allow(message); }
  /// Whose what waits for it is, from here on.
  void count_for(net::Holder user) { transport_->claim().count_for(net::Claim::Of::kUser, user); }
  /// Says why and ends; the peer gets a second to read it.
  void close(std::uint16_t code, std::string_view reason);

  asio::any_io_executor executor() const { return executor_; }

 private:
  struct Done;
  class Flusher;

  void read();
  void read_encrypted();
  void take(std::string_view bytes);
  void flush();
  void flush_encrypted();
  void wait(bool to_write);
  void pause();
  void sent(std::size_t bytes);
  void end(std::string_view why, std::uint16_t code);
  void hang_up();
  bool covered();

  std::shared_ptr<Transport> transport_;
  asio::any_io_executor executor_;
  std::shared_ptr<User> user_;
  FrameReader reader_;
  std::vector<SharedBytes> out_;
  std::size_t out_at_ = 0;               ///< the first of `out_` that is not sent whole
  std::size_t sent_of_it_ = 0;           ///< and how much of it is
  std::size_t waiting_ = 0;              ///< bytes in `out_` that are not sent
  std::size_t held_back_ = 0;            ///< of these, the last, which must not leave with those before
  std::unique_ptr<std::string> buffer_;  ///< of a TLS connection: what is read into
  std::string encrypting_;               ///< and what is being written
  const std::size_t backlog_;
  bool reading_ = false, writing_ = false, due_ = false, closing_ = false, shut_ = false;
  bool alone_ = false, pausing_ = false;  ///< what comes now is held back; until a timer says so
};

}  // namespace tiltyard::http
