// Instructions of the Guacamole protocol: what was read is written so that it reads the same, and its size does not
// depend on what comes behind it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "guacamole/codec.h"

using namespace tiltyard::guacamole;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto measured = measure(input);
  if (!measured || *measured == 0) return 0;
  const auto read = parse(input.substr(0, *measured));
  if (!read) std::abort();
  const auto again = parse(write(*read));
  if (!again || *again != *read) std::abort();
  return 0;
}
