#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "limits/memory.h"

namespace tiltyard::farm {

/// How often an address calls over gRPC, which does not pass the limiters of the API, and how often it shows wrong
/// tokens, by whatever way. Thread-safe: gRPC has threads of its own.
class Visitors {
 public:
  /// As often as the limiter "farm" lets it over HTTP.
  bool may_call(std::string_view address);
  /// Too many wrong tokens came from there: for a while none is looked at, the right one neither. A client that has an
  /// old token and tries each second does not come so far.
  bool barred(std::string_view address);
  void note_wrong(std::string_view address);

 private:
  limits::Memory memory_{1 << 12};
};

}  // namespace tiltyard::farm
