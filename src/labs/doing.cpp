#include "labs/doing.h"

#include <cassert>

namespace tiltyard::labs {

std::string_view to_string(Doing doing) {
  switch (doing) {
    case Doing::kNothing:
      return "nothing";
    case Doing::kSpawning:
      return "spawning";
    case Doing::kClaiming:
      return "claiming";
    case Doing::kPausing:
      return "pausing";
    case Doing::kWaking:
      return "waking";
    case Doing::kMending:
      return "mending";
    case Doing::kRerouting:
      return "rerouting";
    case Doing::kStopping:
      return "stopping";
  }
  return "nothing";
}

void Work::move(Doing to) {
  assert(may_follow(doing_, to));
  doing_ = to;
  if (to == Doing::kNothing) next_ = Next::kNothing;
  if (to == Doing::kStopping && next_ == Next::kLook) next_ = Next::kNothing;
}

void Work::ask(Next next) {
  assert(!free());
  if (next_ == Next::kStop || (next == Next::kLook && doing_ == Doing::kStopping)) return;
  next_ = next;
}

bool Work::take_look() {
  if (next_ != Next::kLook) return false;
  next_ = Next::kNothing;
  return true;
}

}  // namespace tiltyard::labs
