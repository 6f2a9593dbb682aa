#pragma once

#include "greetings/events.h"
#include "greetings/measures.h"
#include "house/capability.h"
#include "labs/step.h"
#include "realtime/realtime.h"

/// A capability that the tests add to the house, to see that it takes one folder and one line of the list: greetings
/// are said over the API and on the command line, kept in a table, counted by a job and in a metric, told by an event,
/// seen in a room and on a page, and every machine of an instance gets one.
namespace tiltyard::greetings {

struct Options {
  std::string word = "welcome";  ///< every machine finds it in its environment
  int longest = 20;              ///< bytes of a greeting
};

class Capability final : public house::Capability, public realtime::HasRooms, public labs::HasSteps {
 public:
  std::string_view name() const override { return "greetings"; }
  void keys(config::Keys& keys) override;
  std::vector<store::Migration> migrations() const override;
  bus::EventKinds events() const override { return greetings::events::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  metrics::Metrics measures() const override { return greetings::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;

  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;
  labs::Steps steps(const std::string& instances_folder) override;

 private:
  Options options_;
  house::Ground* ground_ = nullptr;
};

}  // namespace tiltyard::greetings
