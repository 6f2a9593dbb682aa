#pragma once

#include "labs/instances.h"

namespace tiltyard::labs {

/// Measures what instances use (row 1.11).
class Meter : OnGround {
 public:
  Meter(Ground& ground, Instances& instances) : OnGround(ground), instances_(instances) {}

  void declare_jobs();

 private:
  asio::awaitable<Result<jobs::Next>> measure();
  asio::awaitable<void> sample(LiveRef live);

  Instances& instances_;
};

}  // namespace tiltyard::labs
