#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bus/event_kind.h"
#include "house/routes.h"
#include "limits/limiters.h"
#include "observe/metric.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}
namespace tiltyard::cli {
class Words;
}

/// How a capability joins the server: it says all about itself in its own folder (src/NAME/capability.h), and
/// app/capabilities.cpp lists it. See docs/decisions/0050-a-capability-declares-itself.md.
namespace tiltyard::house {

namespace asio = boost::asio;

struct Ground;

/// A part of a capability that staff can switch off and on, for everybody or for some (row 7.7).
struct Switch {
  std::string name;
  std::string about;   ///< one sentence for staff
  bool whole = false;  ///< hides the whole capability: its routes answer as if they were not there
};

/// One folder of floor 4. Made once at the start of the process, cheaply; lives as long as the server. Capabilities get
/// the others that they build on by reference in their constructors, and those stand before them in the list. What
/// others offer them (steps, rooms, credentials) they look for in `Ground::all`.
class Capability {
 public:
  virtual ~Capability() = default;

  /// Its folder's name; also what its switch and its part of the tables are called.
  virtual std::string_view name() const = 0;

  // What it declares. Asked of every capability before any of them is made.
  /// Its keys of the configuration, bound to options of its own; before anything is read.
  virtual void keys(config::Keys& keys) {}
  virtual std::vector<store::Migration> migrations() const { return {}; }
  virtual bus::EventKinds events() const { return {}; }
  virtual std::vector<limits::Limiter> limiters() const { return {}; }
  /// What it measures; what is not declared cannot be counted.
  virtual metrics::Metrics measures() const { return {}; }
  /// Most can be hidden as a whole; who cannot be says so by having no such switch.
  virtual std::vector<Switch> switches() const {
    return {{std::string(name()), "The whole of it: its routes, its pages and its rooms.", true}};
  }

  /// Its words of the command line. There is no server then: the words ask one over the API, or read their own options
  /// (`Context::configure`).
  virtual void words(cli::Words& words) {}

  // Its life, on the home loop. The words are called on all capabilities in the order of the list, `close` in the
  // opposite one; a word that fails stops the start.
  /// Builds its services on the floors below and declares its jobs. No waiting, nothing that the outside can see.
  virtual Result<> make(Ground& ground) { return {}; }
  /// Says which routes it has; all capabilities are made by then.
  virtual void routes(Routes& routes) {}
  /// Takes its state up again. Nobody asks for anything yet.
  virtual asio::awaitable<Result<>> start() { co_return Result<>{}; }
  /// Everything has started, jobs run and the doors are open: begins what it does by itself.
  virtual asio::awaitable<Result<>> open() { co_return Result<>{}; }
  /// The server is about to stop: lets go of those who wait, so that HTTP can end at once.
  virtual asio::awaitable<void> drain() { co_return; }
  /// No request and no job comes any more: ends what is under way and writes what is left. Also after a start that
  /// failed half-way.
  virtual asio::awaitable<void> close() { co_return; }
};

}  // namespace tiltyard::house
