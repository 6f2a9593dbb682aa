// A question for a name, as a machine sends it: whatever it is, the answer is none, or the question as it was asked
// with the header of "there is no such name" (RFC 1035, 4.1), never longer than what was asked, and not itself a
// question.
#include <cstdlib>
#include <string_view>

#include "engine/isolation/no_names.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using tiltyard::engine::isolation::no_such_name;
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  const auto answer = no_such_name(query);
  if (answer.empty()) return 0;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(answer[at]); };
  if (answer.size() > query.size() || answer.size() < 17 || query.size() > 512) std::abort();
  if (answer.substr(0, 2) != query.substr(0, 2) || answer.substr(12) != query.substr(12, answer.size() - 12))
    std::abort();
  if ((byte(2) & 0x80) == 0 || (byte(3) & 0x0f) != 3) std::abort();
  if (byte(4) != 0 || byte(5) != 1) std::abort();
  for (std::size_t count = 6; count < 12; ++count)
    if (byte(count) != 0) std::abort();
  // Two of us must not keep each other busy.
  if (!no_such_name(answer).empty()) std::abort();
  return 0;
}
