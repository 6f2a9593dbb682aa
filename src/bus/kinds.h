#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bus/event_kind.h"

namespace tiltyard::bus {

/// Every kind of event that this server knows (row 9.4), gathered from those who publish them. Made at the start and
/// never changed afterwards.
class Kinds {
 public:
  struct Declared {
    std::string owner;  ///< the capability's name
    const EventKind* kind;
  };

  /// `event-kind-twice` (a bug) names both owners where a name is declared already.
  Result<> add(std::string_view owner, EventKinds kinds);

  const std::vector<Declared>& all() const { return all_; }
  /// Those whose events are kept: what staff may ask the log for.
  std::vector<const EventKind*> kept() const;
  /// nullptr: nobody declares it.
  const EventKind* find(std::string_view name) const;
  /// The same for what is read from a log; a kind of before is none.
  KindRef of(std::string_view name) const;

  /// docs/event-kinds.md.
  std::string markdown() const;

 private:
  std::vector<Declared> all_;  ///< in the order of declaration
};

}  // namespace tiltyard::bus
