#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

#include "base/offload.h"
#include "engine/engines.h"
#include "labs/model.h"
#include "net/listeners.h"

namespace tiltyard::ports {

namespace asio = boost::asio;

/// One port that waits for whoever comes, however many sockets that takes.
struct Seen {
  std::uint16_t port = 0;
  bool udp = false;
  std::vector<std::string> addresses = {};
  std::string program = {};  ///< empty: not known
  bool reachable = false;
  std::string why = {};  ///< why it is not, for people
};

/// The ports of one machine.
struct Machine {
  std::string name;     ///< service
  std::string address;  ///< that the gateway comes to it by
  bool seen = false;
  std::string why = {};  ///< why its ports cannot be seen, for people
  std::vector<Seen> ports = {};
  bool more = false;  ///< than are listed
};

/// What waits, port by port, as who comes to `address` finds it. The engine's own resolver in the machine is left out.
/// At most `kMostShown`.
inline constexpr std::size_t kMostShown = 256;
std::vector<Seen> by_port(const std::vector<net::Waiting>& sockets, std::string_view address);

/// Looks into the namespace of each machine that `wanted` names, without a connection and without a command in it.
asio::awaitable<std::vector<Machine>> look_at(engine::Engines& engines, WorkerPool& files, labs::Instance instance,
                                              std::vector<std::string> wanted);

}  // namespace tiltyard::ports
