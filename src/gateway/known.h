#pragma once

#include <optional>

#include "gateway/shard.h"

namespace tiltyard::gateway {

/// Who uses the page or the API from this address, and has a right to the instance: its owner, or else somebody who was
/// let in to this one instance.
inline std::optional<Pass> known_at(const DoorBook& doors, const Publication& publication, net::Holder address) {
  const auto now = millis_now();
  if (publication.owner) {
    if (auto pass = doors.known(*publication.owner, address, now)) return pass;
  }
  return doors.known(net::holder_of(publication.instance.str()), address, now);
}

}  // namespace tiltyard::gateway
