#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"

namespace tiltyard::captures {

/// Who wanted it. Stored as the words of `to_string`.
enum class Cause { kStaff, kTemplate, kEvidence };
std::string_view to_string(Cause cause);
Cause cause_named(std::string_view word);

/// A time in which nothing was captured, because the server was away.
struct Gap {
  TimePoint from{}, to{};
};

/// What is captured of one instance: a row, and a folder of the same name with its packets.
struct Capture {
  std::string id;
  InstanceId instance;
  std::string tmpl, template_name, owner, owner_name;
  Cause cause = Cause::kStaff;
  std::string started_by;  ///< a person's name; empty: nobody's
  std::string filter;
  std::uint64_t bytes = 0;                 ///< the most that is kept
  std::chrono::seconds age{0};             ///< of the oldest packet; 0: whatever its age
  std::optional<TimePoint> until;          ///< when it ends by itself
  bool attended = false;                   ///< ends with the last who looks on
  std::vector<std::string> networks = {};  ///< as the template calls them; its interfaces are in this order
  TimePoint started_at{}, seen_at{};       ///< the second: when it surely still ran
  std::optional<TimePoint> ended_at;
  std::string end_reason;  ///< staff, time, instance-ended, left, server-away, or the reason of an error
  std::uint64_t packets = 0, seen_bytes = 0, missed = 0, unwritten = 0, size = 0;
  std::vector<Gap> gaps = {};
};

}  // namespace tiltyard::captures
