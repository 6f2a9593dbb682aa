#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "net/frame_socket.h"

/// The seam between the layers: below it somebody carries messages to and from one client (engine_io), above it
/// somebody gives them a meaning (socket_io). Everything here belongs to the home loop.
namespace tiltyard::realtime {

/// What the client sends or gets: text, or bytes.
struct Message {
  bool binary = false;
  std::string data;
};

/// Messages that belong together on their way to clients, encoded once however many get them.
class Parcel {
 public:
  explicit Parcel(const std::vector<Message>& messages);
  explicit Parcel(const Message& message) : Parcel(std::vector<Message>{message}) {}

  /// As WebSocket frames.
  const http::SharedBytes& frames() const { return frames_; }
  /// As packets of a polling payload (engine.io-protocol v4, "Packet encoding"), with the separators between them.
  std::string payload() const;
  std::size_t size() const { return frames_->size(); }

 private:
  struct Piece {
    std::size_t at, size;
    bool binary;
  };
  http::SharedBytes frames_;
  std::vector<Piece> pieces_;  ///< where the packets are in the frames
};
using ParcelRef = std::shared_ptr<const Parcel>;

inline ParcelRef parcel_of(const std::vector<Message>& messages) { return std::make_shared<const Parcel>(messages); }

/// Whoever gets a client's messages.
class ChannelUser {
 public:
  virtual ~ChannelUser() = default;
  virtual void on_message(Message message) = 0;
  /// Told once; nothing comes after it.
  virtual void on_closed(std::string_view reason) = 0;
};

/// The way to one client, whatever carries it at the moment.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual const std::string& id() const = 0;
  virtual void send(ParcelRef parcel) = 0;
  /// As `send`; where a socket carries it, what is sent after it leaves a moment later (FrameSocket::send_alone).
  virtual void send_alone(ParcelRef parcel) = 0;
  /// Who is behind it has shown who they are: from here on they may send as much as there is room for, and no longer
  /// count among those of whom nothing is known.
  virtual void trust() = 0;
  /// What waits for it in memory counts for this user, too.
  virtual void count_for(net::Holder user) = 0;
  /// Ends it: `reason` is for the log and for on_closed, which is called before this returns.
  virtual void close(std::string_view reason) = 0;
  virtual bool closed() const = 0;
  /// The socket that carries it, if nothing but a send there is needed to reach the client; else empty.
  virtual std::shared_ptr<http::FrameSocket> wire() const = 0;
};
using ChannelRef = std::shared_ptr<Channel>;

/// What a layer carries for the one above it without looking at it.
using Opaque = std::shared_ptr<const void>;

/// Clients that get the same parcels. A parcel costs each of their loops one call, not one for each client.
class Audience {
 public:
  void add(Channel* channel);
  void remove(Channel* channel);
  bool empty() const { return members_.empty(); }
  std::size_t size() const { return members_.size(); }
  const std::unordered_set<Channel*>& members() const { return members_; }
  void send(const ParcelRef& parcel);

  /// Some channel has changed what carries it: who goes where is looked up anew.
  static void forget_ways();

 private:
  struct Group {
    http::asio::any_io_executor loop;
    std::shared_ptr<std::vector<std::shared_ptr<http::FrameSocket>>> sockets;
  };
  void sort();

  std::unordered_set<Channel*> members_;
  std::vector<Group> groups_;
  std::vector<Channel*> others_;
  std::uint64_t sorted_at_ = 0;  ///< 0: never
};

}  // namespace tiltyard::realtime
