#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "guard/rules.h"
#include "privileged/server.h"

namespace tiltyard::guard {

namespace asio = boost::asio;

/// Answers on a socket of its own in the engine's place, and passes on what rules.h lets pass, if all that it names is
/// ours: that is looked up at the engine, and remembered for as long as it is there. What it passes on it has written
/// anew, so that the engine reads nothing that was not read here. Belongs to one loop.
class Guard {
 public:
  /// `engine`: the path of its socket. `isolated` is asked before any machine starts.
  Guard(asio::any_io_executor executor, std::string engine, Rules rules,
        std::function<asio::awaitable<Result<>>()> isolated);
  ~Guard();

  /// Takes connections of the account at `listener`, and of nobody else.
  void serve(privileged::Descriptor listener, privileged::Account caller);
  asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::guard
