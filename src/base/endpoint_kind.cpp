#include "base/endpoint_kind.h"

#include <fmt/format.h>

namespace tiltyard {

Result<EndpointKind> endpoint_kind(std::string_view word) {
  for (const auto kind : {EndpointKind::kHttp, EndpointKind::kTcp, EndpointKind::kUdp, EndpointKind::kTls}) {
    if (word == word_of(kind)) return kind;
  }
  return fail(Code::kInvalid, "kind-unknown", "an endpoint's kind is http, tcp, udp or tls");
}

}  // namespace tiltyard
