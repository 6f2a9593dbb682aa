#pragma once

#include "labs/warm_pools.h"

namespace tiltyard::labs {

/// How instances begin to end, whoever asks for it.
class Endings : OnGround {
 public:
  Endings(Ground& ground, Instances& instances, Saga& saga, StartQueue& queue, WarmPools& pools);

  /// Begins to stop; completes once that is on disk. `cause` is user, admin, expiry, abuse or engine-loss.
  asio::awaitable<Result<Instance>> stop(InstanceId id, std::string cause, bus::Actor actor);
  asio::awaitable<Result<Instance>> stop_because(InstanceId id, Reason reason, bus::Actor actor);

 private:
  Instances& instances_;
  Saga& saga_;
  StartQueue& queue_;
  WarmPools& pools_;
};

}  // namespace tiltyard::labs
