// What a machine says of its files: packets, and what is in them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "transfers/packets.h"

using namespace tiltyard::transfers;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read_body(const sftp::Packet& packet) {
  std::string body = packet.body;
  if (!sftp::take_id(body)) return;
  if (const auto names = sftp::read_names(body)) {
    for (const auto& one : *names) {
      require(!one.name.empty() && one.name.size() <= 255 && one.name != "." && one.name != "..");
      require(one.name.find('/') == std::string::npos && one.name.find('\0') == std::string::npos);
    }
  }
  if (const auto text = sftp::read_text(body, 100)) require(text->size() <= 100);
  if (const auto path = sftp::read_path(body)) require(!path->empty() && path->size() <= sftp::kLongestPath);
  if (const auto status = sftp::read_status(body)) require(sftp::error_of(*status, "/x").message.size() < 2000);
  (void)sftp::read_attributes(body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view left(reinterpret_cast<const char*>(data), size);
  if (left.empty()) return 0;
  // The first byte says into what pieces the stream is cut.
  const std::size_t piece = static_cast<unsigned char>(left.front()) + std::size_t{1};
  left.remove_prefix(1);
  sftp::Packets packets;
  while (!left.empty()) {
    packets.feed(left.substr(0, piece));
    left.remove_prefix(std::min(piece, left.size()));
    while (true) {
      const auto next = packets.next();
      if (!next) return 0;
      if (!*next) break;
      require((*next)->body.size() < sftp::kMostPacket);
      read_body(**next);
    }
  }
  return 0;
}
