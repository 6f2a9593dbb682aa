#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "realtime/channel.h"

/// Packets of Socket.IO 5 (socketio/socket.io, docs/socket.io-protocol/v5-current.md).
namespace tiltyard::realtime::socket_io {

namespace json = boost::json;

enum class PacketType : std::uint8_t { kConnect, kDisconnect, kEvent, kAck, kConnectError, kBinaryEvent, kBinaryAck };

/// What an event or an acknowledgement carries. Binary values stand in `values` as {"_placeholder": true, "num": N}.
struct Arguments {
  json::array values;
  std::vector<std::string> attachments = {};
};

struct Packet {
  PacketType type = PacketType::kEvent;
  std::string name_space = "/";
  std::optional<std::uint64_t> ack;
  json::value data;  ///< null: none
  std::vector<std::string> attachments = {};
  std::size_t bytes = 0;  ///< of a client's packet: what it was on the wire, all together
};

inline constexpr std::size_t kMostAttachments = 10;
inline constexpr std::size_t kLongestNamespace = 128;  ///< bytes
inline constexpr std::size_t kDeepestData = 32;        ///< levels of JSON

/// What a client's packet may be.
struct PacketBounds {
  std::size_t bytes = 1'000'000;  ///< with its attachments
  std::size_t depth = kDeepestData;
  bool only_connect = false;
};
/// Before anything is known of a client it can only knock, with a token.
inline constexpr PacketBounds kKnock{2'048, 4, true};

/// The messages of one packet: a text, and one for each attachment.
std::vector<Message> encode(const Packet& packet);
/// An event for many: `name` and values, as one parcel.
ParcelRef encode_event(std::string_view name_space, json::array values);

/// Puts packets together from a client's messages.
class Decoder {
 public:
  enum class Step { kMore, kPacket, kBad };
  /// With kPacket, `take()` has it. After kBad the client cannot be understood any more.
  Step feed(Message message, const PacketBounds& bounds = {});
  Packet take() { return std::move(packet_); }

 private:
  Packet packet_;
  std::size_t missing_ = 0;  ///< attachments
};

}  // namespace tiltyard::realtime::socket_io
