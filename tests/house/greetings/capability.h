#pragma once

#include "greetings/events.h"
#include "house/capability.h"
#include "labs/step.h"
#include "realtime/realtime.h"

/// A capability that the tests add to the house, to see that it takes one folder and one line of the list: greetings
/// are said over the API, kept in a table, counted by a job, told by an event, seen in a room, and every machine of
/// an instance gets one.
namespace tiltyard::greetings {

class Capability final : public house::Capability, public realtime::HasRooms, public labs::HasSteps {
 public:
  std::string_view name() const override { return "greetings"; }
  std::vector<store::Migration> migrations() const override;
  bus::EventKinds events() const override { return greetings::events::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;

  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;
  labs::Steps steps(const std::string& instances_folder) override;

 private:
  house::Ground* ground_ = nullptr;
};

}  // namespace tiltyard::greetings
