#include "names/moves.h"

namespace tiltyard::names {
namespace {

/// What there is of it is taken away, the record before all else; `then` when nothing is left.
Move take_back(const Name& name, const World& world, Move then) {
  if (name.record != Record::kNone) return Move::kDropRecord;
  if (world.led != Led::kNowhere) return Move::kUnroute;
  if (name.certificate) return Move::kReleaseCertificate;
  return then;
}

Move of_held(const Name& name, const World& world) {
  if (world.target == Target::kGone) {
    if (!name.follow) return Move::kLeave;
    if (world.successor) return Move::kFollow;
    // It waits for the next instance, and keeps its certificate: asking again and again would use up the authority's
    // patience.
    if (name.record != Record::kNone) return Move::kDropRecord;
    return world.led != Led::kNowhere ? Move::kUnroute : Move::kNothing;
  }
  if (world.target == Target::kComing) return Move::kNothing;
  if (world.led != Led::kThere) return Move::kRoute;
  if (name.kind == Kind::kFree && world.records && name.record != Record::kThere) return Move::kWriteRecord;
  // Of a domain that does not lead here no authority would give one.
  const bool leads_here = name.kind == Kind::kFree || name.address.is == Check::Is::kGood;
  if (world.certificates && leads_here && !(name.certificate && world.wanted)) return Move::kWantCertificate;
  return Move::kNothing;
}

}  // namespace

Move next_move(const Name& name, const World& world) {
  switch (name.state) {
    case State::kAsked:
      if (world.target == Target::kGone && world.successor && name.follow) return Move::kFollow;
      return world.now >= name.created_at + kProofWithin ? Move::kForget : Move::kNothing;
    case State::kHeld:
      return of_held(name, world);
    case State::kLeaving:
      return take_back(name, world, name.kind == Kind::kFree ? Move::kRest : Move::kForget);
    case State::kResting:
      return !name.rests_until || world.now >= *name.rests_until ? Move::kForget : Move::kNothing;
  }
  return Move::kNothing;
}

}  // namespace tiltyard::names
