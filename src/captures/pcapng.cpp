#include "captures/pcapng.h"

#include <cstring>

#include "bpf/filter.h"

namespace tiltyard::captures::pcapng {
namespace {

constexpr std::uint32_t kSection = 0x0A0D0D0A, kInterface = 1, kStatistics = 5, kPacket = 6;
constexpr std::uint32_t kByteOrder = 0x1A2B3C4D;
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint8_t kNanoseconds = 9;
constexpr std::size_t kLeast = 12;          // type, length, length
constexpr std::size_t kLongestText = 4096;  // of an option

enum Option : std::uint16_t {
  kEnd = 0,
  kComment = 1,
  kName = 2,
  kAbout = 3,
  kProgram = 4,
  kResolution = 9,
  kFilter = 11,
  kReceived = 4,
  kLost = 7,
};

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T get(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

void put_padded(std::string& out, std::string_view bytes) {
  out.append(bytes);
  out.append(padded(bytes.size()) - bytes.size(), '\0');
}

void put_option(std::string& out, Option code, std::string_view value) {
  if (value.empty()) return;
  value = value.substr(0, kLongestText);
  put<std::uint16_t>(out, code);
  put<std::uint16_t>(out, static_cast<std::uint16_t>(value.size()));
  put_padded(out, value);
}

void put_number(std::string& out, Option code, std::uint64_t value) {
  put_option(out, code, {reinterpret_cast<const char*>(&value), sizeof value});
}

void put_time(std::string& out, std::uint64_t nanos) {
  put<std::uint32_t>(out, static_cast<std::uint32_t>(nanos >> 32));
  put<std::uint32_t>(out, static_cast<std::uint32_t>(nanos));
}

void put_block(std::string& out, std::uint32_t type, std::string_view body) {
  const auto length = static_cast<std::uint32_t>(kLeast + body.size());
  put(out, type);
  put(out, length);
  out.append(body);
  put(out, length);
}

std::string interface_body(const Interface& interface) {
  std::string body;
  put(body, kEthernet);
  put<std::uint16_t>(body, 0);
  put(body, bpf::kSnapLength);
  put_option(body, kName, interface.name);
  put_option(body, kAbout, interface.about);
  put_option(body, kResolution, std::string_view(reinterpret_cast<const char*>(&kNanoseconds), 1));
  // A zero says that it is written as libpcap reads it.
  if (!interface.filter.empty()) put_option(body, kFilter, std::string(1, '\0') + interface.filter);
  put<std::uint32_t>(body, kEnd);
  return body;
}

std::string_view comment_in(std::string_view block) {
  constexpr std::size_t kBehindTime = 8 + 12;
  std::size_t at = kBehindTime;
  while (at + 8 <= block.size()) {
    const auto code = get<std::uint16_t>(block, at), length = get<std::uint16_t>(block, at + 2);
    at += 4;
    if (code == kEnd || at + length > block.size()) break;
    if (code == kComment) return block.substr(at, length);
    at += padded(length);
  }
  return {};
}

}  // namespace

std::string header(std::string_view program, std::string_view comment, const std::vector<Interface>& interfaces) {
  std::string body;
  put(body, kByteOrder);
  put<std::uint16_t>(body, 1);
  put<std::uint16_t>(body, 0);
  put<std::int64_t>(body, -1);  // as long as it comes
  put_option(body, kComment, comment);
  put_option(body, kProgram, program);
  put<std::uint32_t>(body, kEnd);
  std::string out;
  put_block(out, kSection, body);
  for (const auto& interface : interfaces) put_block(out, kInterface, interface_body(interface));
  return out;
}

/// Once a packet: the block is written in its place.
void append(std::string& out, const Packet& packet) {
  constexpr std::size_t kHead = 28;
  const auto length = static_cast<std::uint32_t>(kHead + padded(packet.bytes.size()) + 4);
  put(out, kPacket);
  put(out, length);
  put(out, packet.interface);
  put_time(out, packet.nanos);
  put(out, static_cast<std::uint32_t>(packet.bytes.size()));
  put(out, packet.length);
  put_padded(out, packet.bytes);
  put(out, length);
}

void append(std::string& out, const Statistics& statistics) {
  std::string body;
  put(body, statistics.interface);
  put_time(body, statistics.nanos);
  put_option(body, kComment, statistics.comment);
  put_number(body, kReceived, statistics.received);
  put_number(body, kLost, statistics.lost);
  put<std::uint32_t>(body, kEnd);
  put_block(out, kStatistics, body);
}

Walk walk(std::string_view bytes, const std::function<void(std::string_view comment)>& seen) {
  Walk out;
  while (bytes.size() - out.whole >= kLeast) {
    const auto rest = bytes.substr(out.whole);
    const auto length = get<std::uint32_t>(rest, 4);
    if (length < kLeast || length % 4 != 0 || length > kLongestBlock) {
      out.broken = true;
      break;
    }
    if (rest.size() < length) break;
    if (get<std::uint32_t>(rest, length - 4) != length) {
      out.broken = true;
      break;
    }
    const auto type = get<std::uint32_t>(rest, 0);
    if (type == kPacket) ++out.packets;
    if (type == kStatistics && seen) {
      if (const auto comment = comment_in(rest.substr(0, length)); !comment.empty()) seen(comment);
    }
    out.whole += length;
  }
  return out;
}

}  // namespace tiltyard::captures::pcapng
