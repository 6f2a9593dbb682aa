// What a real-time client sends, from the WebSocket frame to the Socket.IO packet. Besides memory errors: frames must
// read the same however they are cut into pieces, base64 and packets must come back from their own encoding as they
// were.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/frames.h"
#include "realtime/engine_packet.h"
#include "realtime/socket_packet.h"

using namespace tiltyard;
using namespace tiltyard::realtime;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  std::vector<http::FrameEvent> events;
  std::optional<std::uint16_t> wrong;
};

Read read(std::string_view bytes, std::size_t step) {
  Read out;
  http::FrameReader reader(4096);
  for (std::size_t at = 0; at < bytes.size() && !out.wrong; at += step)
    out.wrong = reader.feed(bytes.substr(at, step), out.events);
  return out;
}

void check_frames(std::string_view bytes) {
  const auto whole = read(bytes, bytes.size() + 1), cut = read(bytes, 1);
  expect(whole.wrong == cut.wrong && whole.events.size() == cut.events.size());
  for (std::size_t i = 0; i < whole.events.size(); ++i) {
    expect(whole.events[i].kind == cut.events[i].kind && whole.events[i].data == cut.events[i].data);
    expect(whole.events[i].kind != http::FrameEvent::Kind::kText || http::is_utf8(whole.events[i].data));
  }
}

void check_payload(std::string_view body) {
  const auto packets = engine_io::decode_payload(body);
  if (!packets) return;
  expect(!packets->empty());
  std::string again;
  for (const auto& packet : *packets) {
    if (!again.empty()) again.push_back(engine_io::kSeparator);
    if (packet.binary) again += "b" + engine_io::to_base64(packet.data);
    else again += static_cast<char>(packet.type) + packet.data;
  }
  expect(again == body);
}

void check_packets(std::string_view bytes) {
  socket_io::Decoder decoder, second;
  while (!bytes.empty()) {
    const auto end = bytes.find('\0');
    const auto part = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    const bool binary = part.starts_with('b');
    const auto step = decoder.feed({binary, std::string(binary ? part.substr(1) : part)});
    if (step == socket_io::Decoder::Step::kBad) return;
    if (step != socket_io::Decoder::Step::kPacket) continue;
    const auto packet = decoder.take();
    auto last = socket_io::Decoder::Step::kBad;
    for (auto& message : socket_io::encode(packet)) last = second.feed(std::move(message));
    expect(last == socket_io::Decoder::Step::kPacket);
    const auto again = second.take();
    expect(again.type == packet.type && again.name_space == packet.name_space && again.ack == packet.ack &&
           again.attachments == packet.attachments);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      check_frames(input);
      break;
    case 1:
      check_payload(input);
      break;
    default:
      check_packets(input);
  }
  return 0;
}
