#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Packets and payloads of Engine.IO 4 (engine.io-protocol v4, "Packet encoding").
namespace tiltyard::realtime::engine_io {

enum class PacketType : char {
  kOpen = '0',
  kClose = '1',
  kPing = '2',
  kPong = '3',
  kMessage = '4',
  kUpgrade = '5',
  kNoop = '6'
};

inline constexpr char kSeparator = '\x1e';  ///< between the packets of a payload

struct Packet {
  PacketType type = PacketType::kMessage;
  bool binary = false;
  std::string data;
};

/// One packet as a text message of a WebSocket holds it; nullopt: not one.
std::optional<Packet> decode_packet(std::string_view text);
/// The body of a polling request; nullopt: not one. Has at least one packet.
std::optional<std::vector<Packet>> decode_payload(std::string_view body);

/// RFC 4648, 4, with padding.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace tiltyard::realtime::engine_io
