#pragma once

#include "house/capability.h"
#include "jobs/jobs.h"
#include "realtime/realtime.h"

namespace tiltyard::board {

/// What staff see of the durable jobs, and what they do with them.
class Capability final : public house::Capability, public realtime::HasRooms {
 public:
  std::string_view name() const override { return "board"; }
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;

 private:
  jobs::Service* jobs_ = nullptr;
};

}  // namespace tiltyard::board
