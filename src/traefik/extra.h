#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "traefik/layout.h"

namespace tiltyard::traefik {

/// The operator's own keys: a line each, `KEY = VALUE`, the key without the root; # begins a comment. At most 1 MiB and
/// 10,000 keys. `extra-invalid` says in which line what is wrong: no key, no value, a key of ours, one that is there
/// twice.
Result<Keys> parse_extra(const Options& options, std::string_view text);
/// The same from the file; an empty name is no keys. Blocking.
Result<Keys> read_extra(const Options& options);

}  // namespace tiltyard::traefik
