#pragma once

#include "labs/saga.h"

namespace tiltyard::labs {

/// An endpoint that an instance gets while it is up.
struct Opening {
  std::string name;     ///< empty: made of machine and port
  std::string machine;  ///< service; empty: the first endpoint's, or the first
  std::uint16_t machine_port = 0;
  EndpointKind kind = EndpointKind::kHttp;
};

/// Endpoints that come and go while their instance is up, awake or asleep. Each is a part of the plan in the instance's
/// row: that is written first, then the gateway is told. What a crash leaves half done the next start completes, since
/// it publishes what the row says; what fails is taken out of the row again.
class Openings : OnGround {
 public:
  Openings(Ground& ground, Instances& instances, Planner& planner, Saga& saga)
      : OnGround(ground), instances_(instances), planner_(planner), saga_(saga) {}

  /// The endpoint as it is in the plan then; players get through when this completes. Waits some seconds for whoever
  /// is busy with the instance. `instance-unknown`, `instance-not-running`, `instance-busy`, `machine-unknown`,
  /// `port-open` (fields endpoint: that name, or this port of this machine, is one), `too-many-endpoints`,
  /// `ports-exhausted`, and what the gateway says.
  asio::awaitable<Result<PlannedEndpoint>> open(InstanceId id, Opening wanted, bus::Actor actor);
  /// Takes one away that was opened; its connections are cut. `endpoint-unknown`; `endpoint-fixed`: it is one of the
  /// template's.
  asio::awaitable<Result<>> close(InstanceId id, std::string name, bus::Actor actor);

 private:
  /// One change, for who asked for it.
  struct Change {
    PlannedEndpoint endpoint;
    bus::Actor actor;
    Result<> result;
    bool over = false;
  };
  using ChangeRef = std::shared_ptr<Change>;

  Result<PlannedEndpoint> planned(const Instance& instance, const Opening& wanted) const;
  asio::awaitable<Result<>> carry_out(LiveRef live, ChangeRef change,
                                      asio::awaitable<void> (Openings::*work)(LiveRef, ChangeRef));
  asio::awaitable<void> add(LiveRef live, ChangeRef change);
  asio::awaitable<void> remove(LiveRef live, ChangeRef change);
  asio::awaitable<Result<>> publish_and_note(LiveRef live, ChangeRef change);
  asio::awaitable<Result<>> publish(LiveRef live);
  asio::awaitable<Result<>> write(LiveRef live, bus::KindRef kind, const Change& change);

  Instances& instances_;
  Planner& planner_;
  Saga& saga_;
};

}  // namespace tiltyard::labs
