#pragma once

#include <memory>

#include "audit/audit.h"
#include "audit/events.h"
#include "house/capability.h"
#include "realtime/realtime.h"

namespace tiltyard::audit {

/// What staff see of the event log.
class Capability final : public house::Capability, public realtime::HasRooms {
 public:
  std::string_view name() const override { return "audit"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<limits::Limiter> limiters() const override;
  bus::EventKinds events() const override { return audit::events::kAll; }
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;

 private:
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::audit
