#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

#include "base/result.h"
#include "config/settings.h"
#include "farm/farm.h"

namespace tiltyard::app {

namespace asio = boost::asio;

/// What the farm has beside its HTTP routes: gRPC, and the senders that the server starts.
class FarmOutside {
 public:
  FarmOutside();
  ~FarmOutside();

  /// `url` is where the server answers. Does nothing while the farm is off.
  Result<> start(const config::Settings& settings, farm::Service& farm, asio::any_io_executor home,
                 const std::string& url);
  /// Senders first, then gRPC; before the HTTP server, which senders report to.
  asio::awaitable<void> stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tiltyard::app
