#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace tiltyard::bus {

/// How much it matters to somebody who reads the log.
enum class Severity { kInfo, kGood, kWarning, kError };

/// Who may read events of a kind: those who run the range, or only admins (what tells of people's accounts).
enum class Readers { kOperators, kAdmins };

/// Whether every one is a row, or those of one source in one minute are counted together (what a stranger can cause at
/// will must not fill the disk).
enum class Rows { kEach, kCounted };

/// A kind of event that is kept. `name` is stable: programs read it.
struct EventKind {
  std::string_view name;
  std::string_view prose;  ///< one sentence for people
  Severity severity = Severity::kInfo;
  Readers readers = Readers::kOperators;
  Rows rows = Rows::kEach;
};

/// Every kind there is (row 9.4). What is not here cannot be recorded.
inline constexpr std::array kEventKinds = {
    EventKind{"instance.asked", "Somebody asked for an instance; it is on its way or in the queue."},
    EventKind{"instance.running", "An instance runs.", Severity::kGood},
    EventKind{"instance.failed", "An instance could not be started, or was lost.", Severity::kError},
    EventKind{"instance.extended", "The lease of an instance was extended."},
    EventKind{"instance.paused", "An instance that nobody used was put to sleep."},
    EventKind{"instance.resumed", "A sleeping instance was woken."},
    EventKind{"instance.stopping",
              "An instance is being stopped: by its user, by staff, or because its lease has ended."},
    EventKind{"instance.stopped", "An instance was stopped and is gone."},
    EventKind{"instance.expired", "The lease of an instance has ended; it is gone."},
    EventKind{"pool.failed", "An instance could not be made for a warm pool.", Severity::kWarning},

    EventKind{"flag.created", "An owner's flag for a template was drawn."},
    EventKind{"flag.deleted", "An owner's flag for a template was deleted."},
    EventKind{"submission.suspicious", "A flag was handed in that belongs to somebody else.", Severity::kWarning},

    EventKind{"login", "Somebody signed in."},
    EventKind{"login.failed", "A sign-in was refused.", Severity::kWarning, Readers::kOperators, Rows::kCounted},
    EventKind{"logout", "Somebody signed out."},
    EventKind{"auth.failed", "A credential or a right was missing or not good.", Severity::kWarning,
              Readers::kOperators, Rows::kCounted},
    EventKind{"sessions.ended", "An administrator ended everybody's sessions.", Severity::kWarning, Readers::kAdmins},
    EventKind{"session.revoked", "A session was ended by its user or by staff.", Severity::kInfo, Readers::kAdmins},
    EventKind{"token.created", "An API token was made.", Severity::kInfo, Readers::kAdmins},
    EventKind{"token.revoked", "An API token was revoked.", Severity::kInfo, Readers::kAdmins},

    EventKind{"user.registered", "Somebody made an account."},
    EventKind{"user.created", "Staff made a user.", Severity::kInfo, Readers::kAdmins},
    EventKind{"user.changed", "A user's name, role, team or state was changed.", Severity::kInfo, Readers::kAdmins},
    EventKind{"user.deleted", "A user was deleted.", Severity::kWarning, Readers::kAdmins},
    EventKind{"user.password", "A user's password was changed.", Severity::kInfo, Readers::kAdmins},
    EventKind{"user.link", "A one-time sign-in link was made or asked for.", Severity::kInfo, Readers::kAdmins},
    EventKind{"invitation.created", "An invitation was made."},
    EventKind{"invitation.deleted", "An invitation was withdrawn."},
    EventKind{"team.created", "A team was made."},
    EventKind{"team.changed", "A team's name or invitation was changed."},
    EventKind{"team.deleted", "A team was deleted.", Severity::kWarning},
    EventKind{"team.joined", "Somebody joined a team."},
    EventKind{"team.left", "Somebody left a team or was removed from it."},

    EventKind{"template.override", "Staff changed a template at run time."},
    EventKind{"template.rebuild", "Staff had a template built anew."},
    EventKind{"limits.changed", "Staff changed a rate limit."},
    EventKind{"feature.changed", "Staff changed a feature flag."},
    EventKind{"feature.deleted", "Staff deleted a feature flag."},
    EventKind{"jobs.cancelled", "Staff took a job away, or asked a running one to stop."},
    EventKind{"jobs.retried", "Staff had a job that had failed for good tried again."},
    EventKind{"jobs.hurried", "Staff had a job that waited fire at once."},
    EventKind{"jobs.paused", "Staff paused a kind of jobs: no more of it start.", Severity::kWarning},
    EventKind{"jobs.resumed", "Staff let a kind of jobs go on."},
    EventKind{"events.exported", "Staff exported the event log."},
    EventKind{"events.removed", "Events past their time were removed."},
    EventKind{"notice.failed", "A notice could not be delivered and was given up.", Severity::kWarning},

    EventKind{"system.started", "The server started."},
    EventKind{"system.stopped", "The server stopped in an orderly way."},
};

constexpr const EventKind* find_kind(std::string_view name) {
  const auto* found = std::ranges::find(kEventKinds, name, &EventKind::name);
  return found == kEventKinds.end() ? nullptr : found;
}

/// The name of a declared kind: `kind("login.faild")` does not compile.
consteval std::string_view kind(std::string_view name) {
  if (find_kind(name) == nullptr) throw "no such kind of event; declare it in bus/event_kinds.h";
  return name;
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
