#include "base/endpoint_kind.h"

#include <fmt/format.h>

namespace tiltyard {

Result<EndpointKind> endpoint_kind(std::string_view word) {
  for (const auto kind : {EndpointKind::kHttp, EndpointKind::kTcp, EndpointKind::kTls}) {
    if (word == word_of(kind)) return kind;
  }
  if (word == "udp") {
    return fail(Code::kInvalid, "kind-not-yet",
                fmt::format("endpoints of kind {} are not served yet; there are http, tcp and tls", word));
  }
  return fail(Code::kInvalid, "kind-unknown", "an endpoint's kind is http, tcp or tls");
}

}  // namespace tiltyard
