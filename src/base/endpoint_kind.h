#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tiltyard {

/// How players' bytes come to an endpoint of a machine. Templates, the plan of an instance (on disk) and the API say it
/// as a word. Whoever adds one finds through -Wswitch what has to be decided for it.
enum class EndpointKind : std::uint8_t { kHttp, kTcp, kUdp, kTls };

/// What carries an endpoint's bytes. Each has a space of ports of its own.
enum class Transport : std::uint8_t { kTcp, kUdp };

constexpr std::string_view word_of(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kHttp:
      return "http";
    case EndpointKind::kTcp:
      return "tcp";
    case EndpointKind::kTls:
      return "tls";
    case EndpointKind::kUdp:
      return "udp";
  }
  return "";
}

/// Whether the gateway listens on a port for this endpoint alone; the others share one and are told apart by name.
constexpr bool owns_port(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kHttp:
    case EndpointKind::kTls:
      return false;
    case EndpointKind::kTcp:
    case EndpointKind::kUdp:
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
    case EndpointKind::kTls:
    case EndpointKind::kUdp:
      return false;
  }
  return false;
}

/// Who ends the TLS of an endpoint of kind `tls`, and so whose certificate its players see.
enum class TlsEnd : std::uint8_t { kMachine, kGateway };

constexpr std::string_view word_of(TlsEnd end) { return end == TlsEnd::kMachine ? "through" : "end"; }

/// What a template says of how the bytes of one endpoint are handed to its machine.
struct Handover {
  TlsEnd tls = TlsEnd::kMachine;
  /// The version of the PROXY protocol in whose header the machine is told of the player, before the first byte; 0:
  /// none.
  std::uint8_t proxy_protocol = 0;
  /// What the player claims of the way (X-Forwarded-*, Forwarded, X-Real-IP, Via) goes on as it is, with nothing of
  /// ours added to it.
  bool client_claims = false;

  bool operator==(const Handover&) const = default;
};

constexpr Transport transport_of(EndpointKind kind) {
  return kind == EndpointKind::kUdp ? Transport::kUdp : Transport::kTcp;
}

/// The kind that a word names; any other word is `kind-unknown` (kInvalid).
Result<EndpointKind> endpoint_kind(std::string_view word);

}  // namespace tiltyard
