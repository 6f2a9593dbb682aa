#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "bus/bus.h"
#include "engine/engine.h"
#include "identity/identity.h"

namespace tiltyard::labs {

/// What an instance's machines are made of in place of their template's images.
struct MadeOf {
  std::map<std::string, std::string> images;  ///< by service; the others are made as ever
  bool anew = false;                          ///< machines that have run give way to new ones: what they hold is to go
};

/// A capability that has machines made of other images than their template's. Lives on the home loop.
class HasImages {
 public:
  virtual ~HasImages() = default;
  /// Before any machine of the instance is made; also right after a start of the server.
  virtual boost::asio::awaitable<Result<MadeOf>> made_of(InstanceId id) = 0;
  /// All of them are made so: nothing has to give way any more.
  virtual boost::asio::awaitable<Result<>> made(InstanceId id) = 0;
};

/// What somebody wants to run in a machine of an instance that is theirs (or anybody's, for staff).
struct ShellWish {
  identity::Principal who;
  bus::Actor by;
  InstanceId instance;
  std::string machine;                   ///< empty: the first endpoint's, or the first
  std::vector<std::string> command;      ///< empty: a shell
  std::vector<std::string> environment;  ///< "KEY=value"
  bool terminal = true;
  int columns = 80, rows = 24;  ///< of the terminal
};

/// A command under way, on the home loop. It has a seat of its user, is listed among those who are in, keeps its
/// machine awake, and is recorded where its instance is: `read` hands out only what is kept, and fails
/// (`recording-full`, `recording-failed`) where that cannot be, with the command stopped. Once all of it is let go of,
/// the command is killed.
struct Shell {
  std::string id, machine;
  std::shared_ptr<engine::ExecSession> session;
  std::shared_ptr<void> running;
};

/// Whether the server with this prefix may have made the network's name. Another server's prefix may be this one and
/// more. `shared`: those on which the machines of several instances stand.
bool is_network_of(std::string_view prefix, std::string_view name, bool shared);

}  // namespace tiltyard::labs
