#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <unordered_set>

#include "base/result.h"
#include "guard/rules.h"
#include "net/client.h"

namespace tiltyard::guard {

namespace asio = boost::asio;

/// Whose what is that the engine has.
class Owners {
 public:
  Owners(const std::string& engine, const Rules& rules);

  /// Success also for what is not there: the engine says so itself. `engine-call-refused`: it is somebody else's.
  asio::awaitable<Result<>> check(Thing thing);
  void made(const Thing& thing);
  void gone(const Thing& thing);

 private:
  asio::awaitable<Result<boost::json::value>> ask(std::string path);

  http::Client client_;
  const Rules& rules_;
  std::unordered_set<std::string> ours_;  ///< a letter for the kind, and the name
};

}  // namespace tiltyard::guard
