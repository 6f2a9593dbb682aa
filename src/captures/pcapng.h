#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// The file format of Wireshark, as far as we write it: one section, Ethernet, nanoseconds.
/// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
namespace tiltyard::captures::pcapng {

/// No block of ours is longer.
inline constexpr std::uint32_t kLongestBlock = 512 * 1024;

struct Interface {
  std::string name;
  std::string about;
  std::string filter;  ///< as libpcap reads it; empty: none
};

/// What a file begins with: the section, with a comment for people, and its interfaces.
std::string header(std::string_view program, std::string_view comment, const std::vector<Interface>& interfaces);

struct Packet {
  std::uint32_t interface = 0;
  std::uint64_t nanos = 0;   ///< since 1970
  std::uint32_t length = 0;  ///< on the wire
  std::string_view bytes;    ///< what was kept of it
};
void append(std::string& out, const Packet& packet);

/// How much of an interface was not kept, told where it stands in the file.
struct Statistics {
  std::uint32_t interface = 0;
  std::uint64_t nanos = 0;
  std::uint64_t received = 0;  ///< with the lost ones
  std::uint64_t lost = 0;
  std::string comment;
};
void append(std::string& out, const Statistics& statistics);

struct Walk {
  std::size_t whole = 0;  ///< bytes of the blocks that are there from end to end
  std::uint64_t packets = 0;
  bool broken = false;  ///< behind them is what no block begins with
};
/// Goes over blocks of ours. `seen`, where it is given, gets the comment of each block of statistics.
Walk walk(std::string_view bytes, const std::function<void(std::string_view comment)>& seen = {});

}  // namespace tiltyard::captures::pcapng
