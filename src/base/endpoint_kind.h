#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tiltyard {

/// How players' bytes come to an endpoint of a machine. Templates, the plan of an instance (on disk) and the API say it
/// as a word. Whoever adds one finds through -Wswitch what has to be decided for it.
enum class EndpointKind : std::uint8_t { kHttp, kTcp };

constexpr std::string_view word_of(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kHttp:
      return "http";
    case EndpointKind::kTcp:
      return "tcp";
  }
  return "";
}

/// Whether the gateway listens on a port for this endpoint alone; the others share one and are told apart by name.
constexpr bool owns_port(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kHttp:
      return false;
    case EndpointKind::kTcp:
      return true;
  }
  return false;
}

/// Whether the machine behind it answers HTTP requests.
constexpr bool speaks_http(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kHttp:
      return true;
    case EndpointKind::kTcp:
      return false;
  }
  return false;
}

/// The kind that a word names. "tls" and "udp" have their words already, so that a file which says them is told
/// `kind-not-yet` rather than served as something else; any other word is `kind-unknown`. Both are kInvalid.
Result<EndpointKind> endpoint_kind(std::string_view word);

}  // namespace tiltyard
