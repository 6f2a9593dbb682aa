// The first bytes of a connection that should speak TLS. Besides memory errors: a hello ends, or is refused, at the
// same byte however it is cut into pieces, and what is read of its extensions stays within them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "tls/hello.h"

using namespace tiltyard::tls;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void check_scan(std::string_view input) {
  HelloScan at_once, by_one;
  const auto whole = at_once.look(input);
  auto stepped = HelloScan::State::kMore;
  std::size_t end = 0;
  while (stepped == HelloScan::State::kMore && end < input.size()) stepped = by_one.look(input.substr(0, ++end));
  expect(stepped == whole);
  expect(end <= kMostHelloBytes);
  if (whole == HelloScan::State::kMore) return;
  if (const auto read = parse_hello(input); read && whole == HelloScan::State::kWhole) {
    const auto alone = parse_hello(input.substr(0, end));
    expect(alone && alone->name == read->name && alone->protocols == read->protocols);
  }
  // What comes behind it changes nothing.
  HelloScan again;
  expect(again.look(input.substr(0, end)) == whole && again.look(input) == whole);
}

void check_extensions(std::span<const unsigned char> bytes) {
  const auto middle = bytes.empty() ? 0 : bytes[0] % (bytes.size() + 1);
  const auto hello = read_hello(bytes.first(middle), bytes.subspan(middle));
  expect(hello.name.size() <= middle && hello.protocols.size() <= bytes.size() - middle);
  (void)hello.offers("http/1.1");
  if (hello.asks_for_challenge()) expect(hello.offers("acme-tls/1"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_scan({reinterpret_cast<const char*>(data), size});
  check_extensions({data, size});
  return 0;
}
