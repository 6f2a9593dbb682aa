// The header of the PROXY protocol. Besides memory errors: however it is cut into pieces it ends at the same byte, and
// what we write of what was read is read as the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/proxy_header.h"

using namespace tiltyard::gateway;
using State = ProxyHeaderEnd::State;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void check_again(const ProxyHeader& header) {
  for (const int version : {1, 2}) {
    ProxyHeader again;
    const auto bytes = proxy_header(version, {header.from, header.to, "i", "a.test", header.secure});
    const auto end = read_proxy_header(bytes, again);
    expect(end.state == State::kWhole && end.size == bytes.size());
    if (header.from.size == 0) continue;
    expect(again.from == header.from && again.to == header.to);
    expect(version == 1 || again.secure == header.secure);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  ProxyHeader header, part;
  const auto end = read_proxy_header(input, header);
  expect(end.size <= input.size() && end.size <= kMostProxyHeader);
  bool decided = false;
  for (std::size_t i = 0; i <= input.size() && i <= kMostProxyHeader; ++i) {
    const auto now = read_proxy_header(input.substr(0, i), part);
    if (decided) expect(now.state == end.state && now.size == end.size);
    else if (now.state != State::kMore) {
      expect(now.state == end.state && now.size == end.size);
      decided = true;
    }
  }
  if (end.state == State::kWhole) check_again(header);
  return 0;
}
