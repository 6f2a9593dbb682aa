// The path of a request and of an answer through the gateway: head, rewriting, body. Besides memory errors it looks for
// what would let a request be hidden in another: a head that we pass on must read the same to a second, equal reader,
// and a body must end at the same byte however it was cut into pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/body.h"
#include "gateway/head.h"
#include "gateway/rewrite.h"

using namespace tiltyard::gateway;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

std::string whole_head(std::string_view input, Reading reading) {
  HeadEnd at_once(reading);
  auto state = at_once.find(input);
  HeadEnd in_steps(reading);
  auto stepped = HeadEnd::State::kMore;
  for (std::size_t i = 1; i <= input.size() && stepped == HeadEnd::State::kMore; ++i)
    stepped = in_steps.find(input.substr(0, i));
  expect(state == stepped);
  if (state != HeadEnd::State::kFound) return {};
  expect(at_once.end() == in_steps.end() && at_once.start() == in_steps.start());
  expect(at_once.folded() == in_steps.folded());
  std::string head(input.substr(at_once.start(), at_once.end() - at_once.start()));
  if (at_once.folded() && reading == Reading::kAnswer) unfold(head);
  return head;
}

void check_request(const std::string& bytes) {
  static RequestHead head, again;
  if (parse_request(bytes, head)) return;
  std::string out;
  Way way{"192.0.2.1", "192.0.2.1", false, true};
  believe(head, [](const auto& address) { return address.is_loopback(); }, way);
  (void)forwarded_host(head);
  write_request_head(head, way, out);
  if (head.host.empty()) return;
  HeadEnd end;
  expect(end.find(out) == HeadEnd::State::kFound && end.end() == out.size());
  // What we add may make it too many fields for ourselves; it must never be ambiguous.
  if (auto refusal = parse_request(out, again)) {
    expect(refusal->status == 431);
    return;
  }
  expect(again.method == head.method && again.host == head.host && again.minor == 1);
  expect(again.framing.kind == head.framing.kind && again.framing.length == head.framing.length);
  expect(again.websocket == head.websocket && !again.connection_names);
  expect(out.find("192.0.2.1") != std::string::npos);
}

void check_response(const std::string& bytes, bool to_head) {
  static ResponseHead head, again;
  if (parse_response(bytes, to_head, head)) return;
  std::string out;
  write_response_head(head, {1, true, false}, out);
  HeadEnd end;
  expect(end.find(out) == HeadEnd::State::kFound && end.end() == out.size());
  if (parse_response(out, to_head, again)) return;
  expect(again.status == head.status && again.framing.kind == head.framing.kind);
  expect(again.framing.length == head.framing.length);
}

std::string pass(std::string bytes, Reading reading, std::size_t piece, std::size_t& consumed, bool& valid) {
  BodyFilter filter;
  filter.begin({Framing::Kind::kChunked, 0}, false, reading);
  std::string out;
  consumed = 0;
  valid = true;
  while (consumed < bytes.size() && !filter.done() && valid) {
    auto size = std::min(piece, bytes.size() - consumed);
    auto step = filter.filter(bytes.data() + consumed, size, bytes.data() + consumed);
    expect(step.consumed <= size && step.produced <= step.consumed);
    out.append(bytes.data() + consumed, step.produced);
    consumed += step.consumed;
    valid = step.valid;
  }
  return out;
}

void check_body(std::string_view input, Reading reading) {
  std::size_t whole = 0, cut = 0, third = 0;
  bool valid = false, cut_valid = false, third_valid = false;
  auto out = pass(std::string(input), reading, input.size(), whole, valid);
  auto pieces = pass(std::string(input), reading, 1, cut, cut_valid);
  expect(valid == cut_valid && out == pieces && whole == cut);
  if (!valid) return;
  // What went on is the same body to the next reader, without extensions and trailers.
  auto twice = pass(out, reading, 3, third, third_valid);
  expect(third_valid && twice == out && third == out.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 2) {
    check_body(input, data[0] < 128 ? Reading::kRequest : Reading::kAnswer);
    return 0;
  }
  auto head = whole_head(input, data[0] % 3 == 0 ? Reading::kRequest : Reading::kAnswer);
  if (head.empty()) return 0;
  if (data[0] % 3 == 0) check_request(head);
  else check_response(head, data[0] >= 128);
  return 0;
}
