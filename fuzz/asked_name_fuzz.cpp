// What somebody types as a name: whatever comes, it is refused in words or becomes a host that the DNS can have, the
// same when it is asked for again as it came out.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "names/rules.h"

using namespace tiltyard::names;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Site site{"free.test", true, {"page.test", "labs.test", "free.test"}, {"hall"}};
  const auto asked = check_asked({reinterpret_cast<const char*>(data), size}, site);
  if (!asked) {
    if (asked.error().message.empty()) std::abort();
    return 0;
  }
  if (asked->host.empty() || asked->host.size() > 253) std::abort();
  for (const char c : asked->host) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) std::abort();
  }
  const auto again = check_asked(asked->host, site);
  if (!again || again->host != asked->host || again->skeleton != asked->skeleton || again->kind != asked->kind)
    std::abort();
  for (const auto& ours : site.ours) {
    if (asked->kind == Kind::kOwn && at_or_below(asked->host, ours)) std::abort();
  }
  return 0;
}
