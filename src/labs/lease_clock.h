#pragma once

#include "labs/endings.h"

namespace tiltyard::labs {

/// Leases: each has a job that ends it (docs/jobs.md), and may be extended (row 1.8).
class LeaseClock : OnGround {
 public:
  LeaseClock(Ground& ground, Instances& instances, Endings& endings)
      : OnGround(ground), instances_(instances), endings_(endings) {}

  void declare_jobs();
  /// The jobs of what was started by a server that did not write them down, too.
  asio::awaitable<Result<>> keep_ends();
  asio::awaitable<Result<Instance>> extend(InstanceId id, bus::Actor actor);

 private:
  asio::awaitable<Result<jobs::Next>> end(InstanceId id);
  asio::awaitable<Result<jobs::Next>> check();

  Instances& instances_;
  Endings& endings_;
};

}  // namespace tiltyard::labs
