#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "gateway/door.h"

namespace boost::asio::ip {
class address;
}

namespace tiltyard::gateway {

namespace asio = boost::asio;

class Shard;

/// The home side of doors: makes passes, and tells all loops what they have to know of them. Lives on the home loop;
/// what is told holds on every loop when the call has completed.
class Doors {
 public:
  explicit Doors(std::vector<std::shared_ptr<Shard>> shards) : shards_(std::move(shards)) {}

  /// The first key makes passes, all of them check; those of before count no more.
  asio::awaitable<void> use(std::vector<DoorKey> keys);
  /// The origin of the page, "https://ctf.example": where visitors are sent to say who they are.
  asio::awaitable<void> send_visitors_to(std::string page);
  /// What this party (0: anybody) was given until now lets nobody in any more, and who is in by it is cut.
  asio::awaitable<void> revoke(Party party);
  /// The same for what it was given until then.
  asio::awaitable<void> revoke(Party party, Millis until);
  /// The address is its owner's from now on, for `known.until` milliseconds.
  asio::awaitable<void> know(const std::string& owner, const asio::ip::address& address, DoorBook::Known known);

  /// A pass that counts from now on, whatever its parties had lost before. Empty: there is no key yet.
  std::string mint(Pass pass, DoorPlace place);
  /// Whose host this is: small letters, no port; nullopt: nobody's.
  asio::awaitable<std::optional<InstanceId>> at(std::string host) const;

 private:
  Millis next();

  std::vector<std::shared_ptr<Shard>> shards_;
  DoorBook book_;
  Millis last_ = 0;
};

}  // namespace tiltyard::gateway
