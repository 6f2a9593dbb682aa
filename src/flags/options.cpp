// What the configuration says of flags.
#include <algorithm>

#include "config/keys.h"
#include "flags/flags.h"

namespace tiltyard::flags {
namespace {

bool is_prefix(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

constexpr config::Form kPrefix{.takes = "1 to 32 letters, digits, \"_\", \".\" and \"-\"", .fits = is_prefix};

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("flags", "What players look for.")
      .text("prefix", options.prefix, kPrefix,
            "What flags begin with: FLAG{...}. A template may have its own, with [flag] prefix.");
}

}  // namespace tiltyard::flags
