#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <string>
#include <string_view>

#include "base/id.h"
#include "base/result.h"

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

/// Whether the server with this prefix may have made the network's name. Another server's prefix may be this one and
/// more. `shared`: those on which the machines of several instances stand.
bool is_network_of(std::string_view prefix, std::string_view name, bool shared);

}  // namespace tiltyard::labs
