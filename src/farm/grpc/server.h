#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "farm/farm.h"

namespace tiltyard::farm {

struct GrpcOptions {
  std::string listen;                    ///< host:port; port 0 takes a free one
  std::string tls_certificate, tls_key;  ///< files (PEM); without them the connection is not encrypted
};

/// The farm over gRPC (api/proto/farm.proto), on threads of its own; every call hops to the home loop, where the
/// service lives. Off unless it is started.
class GrpcServer {
 public:
  /// `farm` must outlive it.
  GrpcServer(Service& farm, asio::any_io_executor home);
  ~GrpcServer();

  /// Errors: `grpc-listen-failed`, `tls-unreadable`.
  Result<> start(const GrpcOptions& options);
  /// Where it listens; 0 before `start`.
  std::uint16_t port() const;
  /// Answers what is under way with UNAVAILABLE and ends; before the service is closed.
  asio::awaitable<void> stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tiltyard::farm
