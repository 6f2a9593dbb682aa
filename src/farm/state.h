#pragma once

#include "farm/farm.h"

namespace tiltyard::farm {

struct Service::State {
  State(Options o, Parts p) : options(std::move(o)), parts(std::move(p)) {}

  Options options;
  Parts parts;
};

using StatePtr = std::shared_ptr<Service::State>;

}  // namespace tiltyard::farm
