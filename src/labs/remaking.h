#pragma once

#include "labs/start_queue.h"

namespace tiltyard::labs {

/// Machines of an instance that runs, made once more: it goes through its steps again as from its start, under its
/// names and addresses and with its lease. The row that says so comes first; a crash goes on from there as in any
/// start. What they are made of, and whether they give way at all, others say (labs.h).
class Remaking : OnGround {
 public:
  Remaking(Ground& ground, Instances& instances, StartQueue& queue)
      : OnGround(ground), instances_(instances), queue_(queue) {}

  /// Begun when this completes. `instance-unknown`, `instance-not-running`, `instance-busy`, `template-changed`, and
  /// why nothing may start at present.
  asio::awaitable<Result<>> begin(InstanceId id, bus::Actor actor);

 private:
  Instances& instances_;
  StartQueue& queue_;
};

}  // namespace tiltyard::labs
