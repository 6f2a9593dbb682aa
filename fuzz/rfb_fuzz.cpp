// A watcher's messages: what passes does not depend on how they are cut, and is only what asks for pictures.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "desktop/rfb.h"

using tiltyard::desktop::rfb::Watching;

namespace {

bool asks_for_pictures(char kind) {
  const auto number = static_cast<std::uint8_t>(kind);
  return number == 0 || number == 2 || number == 3 || number == 150 || number == 248;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 32;
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  Watching at_once, cut;
  const auto whole = at_once.filter(all);
  std::string joined;
  bool good = true;
  for (auto rest = all; good && !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
    const auto passed = cut.filter(rest.substr(0, piece));
    good = passed.has_value();
    if (good) joined += *passed;
  }
  if (good != whole.has_value() || (good && joined != *whole)) std::abort();
  if (joined.size() > all.size() || (!joined.empty() && !asks_for_pictures(joined.front()))) std::abort();
  return 0;
}
