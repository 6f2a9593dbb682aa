// challenge.toml: any text is read, and what is good is written so that it reads the same.
#include <cstdlib>
#include <string_view>

#include "imports/challenge.h"

namespace imports = tiltyard::imports;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto read = imports::read_challenge({reinterpret_cast<const char*>(data), size}, "x");
  for (const auto& problem : read.problems) {
    if (problem.message.empty() || problem.line < 0) std::abort();
  }
  if (!read.problems.empty()) return 0;
  const auto written = imports::write_challenge(read.challenge, "x");
  const auto again = imports::read_challenge(written, "x");
  if (!again.problems.empty() || imports::write_challenge(again.challenge, "x") != written) std::abort();
  return 0;
}
