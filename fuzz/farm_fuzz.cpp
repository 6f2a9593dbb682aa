// What the farm reads from outside: posts of flags, its configuration, the jury's attack data; and its own log, which
// must never be believed blindly. The first byte says which. Besides memory errors: what is read as flags lies within
// the body or was unescaped from it, what a configuration shows has no secret, and what is blanked fills in again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "farm/attack.h"
#include "farm/books.h"
#include "farm/config.h"
#include "farm/post_reader.h"

using namespace tiltyard::farm;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void posts(std::string_view text) {
  const auto read = read_post(text, 1000);
  if (!read) return;
  expect(read->flags.size() <= 1000);
  std::size_t bytes = 0;
  for (const auto& flag : read->flags)
    bytes += flag.flag.size() + flag.sploit.size() + flag.team.size() + flag.service.size();
  expect(bytes <= text.size() * 3);
}

void configuration(std::string_view text) {
  const auto config = parse_config(text);
  if (!config) return;
  const auto again = parse_config(fill_blanks(blank_secrets(text), text));
  expect(again.has_value() && again->jury.settings == config->jury.settings &&
         again->token.reveal() == config->token.reveal());
}

void log(std::string_view text) {
  Books books;
  if (!books.replay(text, 1)) return;
  books.finish_replay();
  std::string out;
  books.lease("fuzz", 100, books.last_at(), Log{out, 2});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      posts(text);
      break;
    case 1:
      configuration(text);
      break;
    case 2:
      log(text);
      break;
    default: {
      static constexpr std::string_view kFormats[] = {"forcad", "faust", "saarctf", "enowars", "ccit", "hackerdom"};
      for (const auto format : kFormats) (void)normalise(format, text);
    }
  }
  return 0;
}
