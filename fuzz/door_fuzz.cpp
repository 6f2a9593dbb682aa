// Cookie and Set-Cookie fields of anybody: ours is found, taken out and never set, and nothing but what was made opens
// a door.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/door.h"

using namespace tiltyard::gateway;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Made {
  Made() {
    DoorKey key{1, {}};
    key.secret.fill(7);
    book.use({key});
    cookie = book.mint({Pass::Kind::kCookie, party_of("zoe"), 0, 1000, 3600}, place);
  }
  DoorPlace place{"I", "h.t.test"};
  DoorBook book;
  std::string cookie;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Made made;
  const std::string_view field(reinterpret_cast<const char*>(data), size);
  std::string without;
  append_without_door_cookie(field, without);
  must(!has_door_cookie(without));
  must(without.size() <= field.size() * 2);
  (void)sets_door_cookie(field);
  // Only who has the whole of it is let in.
  if (made.book.visitor(field, false, made.place, 2000)) must(field.contains(made.cookie));
  must(!made.book.visitor(field, true, made.place, 2000) || field.contains(made.cookie));
  must(!made.book.check(field, Pass::Kind::kCookie, made.place, 2000) || field == made.cookie);
  return 0;
}
