#include "realtime/socket_packet.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace tiltyard::realtime::socket_io {
namespace {

/// Names that a client's event may not have, because both sides give them a meaning of their own.
constexpr std::array<std::string_view, 6> kReserved = {"connect",       "connect_error", "disconnect",
                                                       "disconnecting", "newListener",   "removeListener"};

constexpr std::size_t kInOnePiece = 4 * 1024;  // bytes

bool is_binary(PacketType type) { return type == PacketType::kBinaryEvent || type == PacketType::kBinaryAck; }

/// A number at the beginning of `text`, taken away from it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// Whether each placeholder names one of `count` attachments.
bool placeholders_fit(const json::value& value, std::size_t count) {
  if (const auto* array = value.if_array()) {
    return std::ranges::all_of(*array, [count](const json::value& item) { return placeholders_fit(item, count); });
  }
  const auto* object = value.if_object();
  if (object == nullptr) return true;
  const auto* mark = object->if_contains("_placeholder");
  if (mark != nullptr && mark->is_bool() && mark->get_bool()) {
    const auto* number = object->if_contains("num");
    return number != nullptr && number->is_int64() && number->get_int64() >= 0 &&
           static_cast<std::size_t>(number->get_int64()) < count;
  }
  return std::ranges::all_of(*object, [count](const auto& item) { return placeholders_fit(item.value(), count); });
}

bool data_fits(const Packet& packet, std::size_t attachments) {
  const auto& data = packet.data;
  switch (packet.type) {
    case PacketType::kConnect:
      return data.is_null() || data.is_object();
    case PacketType::kDisconnect:
      return data.is_null();
    case PacketType::kAck:
    case PacketType::kBinaryAck:
      return data.is_array() && packet.ack && placeholders_fit(data, attachments);
    case PacketType::kEvent:
    case PacketType::kBinaryEvent: {
      const auto* array = data.if_array();
      if (array == nullptr || array->empty() || !(*array)[0].is_string()) return false;
      return std::ranges::find(kReserved, std::string_view((*array)[0].get_string())) == kReserved.end() &&
             placeholders_fit(data, attachments);
    }
    case PacketType::kConnectError:
      return false;  // only servers refuse
  }
  return false;
}

/// "<type>[<attachments>-][<namespace>,][<ack>][<JSON>]"
std::optional<Packet> parse(std::string_view text, const PacketBounds& bounds, std::size_t& attachments) {
  if (text.empty() || text.front() < '0' || text.front() > '6') return std::nullopt;
  Packet packet;
  packet.type = static_cast<PacketType>(text.front() - '0');
  if (bounds.only_connect && packet.type != PacketType::kConnect) return std::nullopt;
  text.remove_prefix(1);
  attachments = 0;
  if (is_binary(packet.type)) {
    const auto count = take_number(text);
    if (!count || *count > kMostAttachments || !text.starts_with('-')) return std::nullopt;
    attachments = static_cast<std::size_t>(*count);
    text.remove_prefix(1);
  }
  if (text.starts_with('/')) {
    const auto comma = text.find(',');
    packet.name_space = text.substr(0, comma);
    // What follows a question mark was a query in earlier versions.
    if (const auto mark = packet.name_space.find('?'); mark != std::string::npos) packet.name_space.resize(mark);
    if (packet.name_space.size() > kLongestNamespace) return std::nullopt;
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  if (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    packet.ack = take_number(text);
    if (!packet.ack) return std::nullopt;
  }
  if (!text.empty()) {
    json::parse_options options;
    options.max_depth = bounds.depth;
    boost::system::error_code error;
    // A large one is let go of in one piece.
    json::storage_ptr storage;
    if (text.size() > kInOnePiece) storage = json::make_shared_resource<json::monotonic_resource>(text.size());
    packet.data = json::parse(text, error, std::move(storage), options);
    if (error) return std::nullopt;
  }
  return packet;
}

}  // namespace

std::vector<Message> encode(const Packet& packet) {
  std::string text(1, static_cast<char>('0' + static_cast<int>(packet.type)));
  if (is_binary(packet.type)) text += std::to_string(packet.attachments.size()) + "-";
  if (packet.name_space != "/") text += packet.name_space + ",";
  if (packet.ack) text += std::to_string(*packet.ack);
  if (!packet.data.is_null()) text += json::serialize(packet.data);
  std::vector<Message> messages{{false, std::move(text)}};
  for (const auto& bytes : packet.attachments) messages.push_back({true, bytes});
  return messages;
}

ParcelRef encode_event(std::string_view name_space, json::array values) {
  Packet packet;
  packet.name_space = name_space;
  packet.data = std::move(values);
  return parcel_of(encode(packet));
}

Decoder::Step Decoder::feed(Message message, const PacketBounds& bounds) {
  const std::size_t bytes = message.data.size() + (missing_ > 0 ? packet_.bytes : 0);
  if (bytes > bounds.bytes) return Step::kBad;
  if (message.binary) {
    if (missing_ == 0) return Step::kBad;
    packet_.bytes = bytes;
    packet_.attachments.push_back(std::move(message.data));
    return --missing_ == 0 ? Step::kPacket : Step::kMore;
  }
  if (missing_ > 0) return Step::kBad;
  auto packet = parse(message.data, bounds, missing_);
  if (!packet || !data_fits(*packet, missing_)) {
    missing_ = 0;
    return Step::kBad;
  }
  packet_ = std::move(*packet);
  packet_.bytes = bytes;
  packet_.attachments.reserve(missing_);
  return missing_ == 0 ? Step::kPacket : Step::kMore;
}

}  // namespace tiltyard::realtime::socket_io
