#pragma once

#include <span>
#include <string_view>

namespace tiltyard::bus {

/// How much it matters to somebody who reads the log.
enum class Severity { kInfo, kGood, kWarning, kError };

/// Who may read events of a kind: those who run the range, or only admins (what tells of people's accounts).
enum class Readers { kOperators, kAdmins };

/// Whether every one is a row of the log; or those of one source in one minute are counted together (what a stranger
/// can cause at will must not fill the disk); or none is: they only pass over the bus, to those who look on.
enum class Rows { kEach, kCounted, kNone };

/// Whether somebody may have lost a right with it.
enum class Touches { kNothing, kRights };

/// How a notice of the kind reads.
struct Notice {
  enum class Colour { kOfSeverity, kYellow, kOrange };
  /// A member of the event's detail that is told, and as what.
  struct Fact {
    std::string_view title, member;
  };

  std::string_view title;  ///< empty: the kind's name
  Colour colour = Colour::kOfSeverity;
  std::string_view subject = "What";  ///< what the event's subject is
  Fact fact = {};
};

/// A kind of event, declared as a constant in `<name>/events.h` of the capability that publishes it. `name` is stable:
/// programs read it.
struct EventKind {
  std::string_view name;
  std::string_view prose;  ///< one sentence for people
  Severity severity = Severity::kInfo;
  Readers readers = Readers::kOperators;
  Rows rows = Rows::kEach;
  Touches touches = Touches::kNothing;
  Notice notice = {};
};

/// What a capability publishes: its `events::kAll`.
using EventKinds = std::span<const EventKind* const>;

/// Which kind an event is of: a declared one, so that a kind that there is not does not compile.
class KindRef {
 public:
  KindRef() = default;
  constexpr KindRef(const EventKind& kind) : kind_(&kind) {}
  KindRef(const EventKind&&) = delete;

  constexpr const EventKind& operator*() const { return *kind_; }
  constexpr const EventKind* operator->() const { return kind_; }
  constexpr bool operator==(const KindRef&) const = default;

 private:
  /// A default event is of none, and so is one that a log of before has and nobody declares any more.
  static constexpr EventKind kNone{.name = "", .prose = "", .rows = Rows::kNone};
  const EventKind* kind_ = &kNone;
};

constexpr std::string_view to_string(Rows rows) {
  switch (rows) {
    case Rows::kEach:
      return "each";
    case Rows::kCounted:
      return "counted";
    case Rows::kNone:
      return "passes";
  }
  return "each";
}

constexpr std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kGood:
      return "good";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "info";
}

}  // namespace tiltyard::bus
