#include "base/id.h"

#include <sys/random.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/text.h"

namespace tiltyard {
namespace {

void fill_random(std::span<unsigned char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got = ::getrandom(out.data() + done, out.size() - done, 0);
    // Only EINTR can happen for requests this small; anything else means the kernel has no generator.
    if (got > 0) done += static_cast<std::size_t>(got);
    else if (errno != EINTR) std::abort();
  }
}

}  // namespace

std::string new_ulid() {
  static constexpr char kAlphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  std::array<unsigned char, 10> noise{};
  fill_random(noise);
  std::string out(26, '0');
  auto time = static_cast<std::uint64_t>(now);
  for (int i = 9; i >= 0; --i, time >>= 5) out[static_cast<std::size_t>(i)] = kAlphabet[time & 31];
  // 80 random bits are 16 symbols: two halves of 40 bits, 8 symbols each.
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 5; ++i) bits = bits << 8 | noise[half * 5 + i];
    for (std::size_t i = 8; i-- > 0; bits >>= 5) out[10 + half * 8 + i] = kAlphabet[bits & 31];
  }
  return out;
}

std::string random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  fill_random({reinterpret_cast<unsigned char*>(raw.data()), raw.size()});
  return hex(raw);
}

}  // namespace tiltyard
