#include "base/endpoint_kind.h"

#include <fmt/format.h>

namespace tiltyard {

Result<EndpointKind> endpoint_kind(std::string_view word) {
  for (const auto kind : {EndpointKind::kHttp, EndpointKind::kTcp}) {
    if (word == word_of(kind)) return kind;
  }
  if (word == "tls" || word == "udp") {
    return fail(Code::kInvalid, "kind-not-yet",
                fmt::format("endpoints of kind {} are not served yet; there are http and tcp", word));
  }
  return fail(Code::kInvalid, "kind-unknown", "an endpoint's kind is http or tcp");
}

}  // namespace tiltyard
