#pragma once

#include "bus/event_kind.h"

/// What identity tells of; docs/event-kinds.md has it all.
namespace tiltyard::identity::events {

inline constexpr bus::EventKind kLogin{.name = "login", .prose = "Somebody signed in."};
inline constexpr bus::EventKind kLoginFailed{.name = "login.failed",
                                             .prose = "A sign-in was refused.",
                                             .severity = bus::Severity::kWarning,
                                             .rows = bus::Rows::kCounted};
inline constexpr bus::EventKind kLogout{
    .name = "logout", .prose = "Somebody signed out.", .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kAuthFailed{.name = "auth.failed",
                                            .prose = "A credential or a right was missing or not good.",
                                            .severity = bus::Severity::kWarning,
                                            .rows = bus::Rows::kCounted};
inline constexpr bus::EventKind kSessionsEnded{.name = "sessions.ended",
                                               .prose = "An administrator ended everybody's sessions.",
                                               .severity = bus::Severity::kWarning,
                                               .readers = bus::Readers::kAdmins,
                                               .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kSessionRevoked{.name = "session.revoked",
                                                .prose = "A session was ended by its user or by staff.",
                                                .readers = bus::Readers::kAdmins,
                                                .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kTokenCreated{.name = "token.created",
                                              .prose = "An API token was made.",
                                              .readers = bus::Readers::kAdmins,
                                              .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kTokenRevoked{.name = "token.revoked",
                                              .prose = "An API token was revoked.",
                                              .readers = bus::Readers::kAdmins,
                                              .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kUserRegistered{
    .name = "user.registered", .prose = "Somebody made an account.", .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kUserCreated{.name = "user.created",
                                             .prose = "Staff made a user.",
                                             .readers = bus::Readers::kAdmins,
                                             .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kUserChanged{.name = "user.changed",
                                             .prose = "A user's name, role, team or state was changed.",
                                             .readers = bus::Readers::kAdmins,
                                             .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kUserDeleted{.name = "user.deleted",
                                             .prose = "A user was deleted.",
                                             .severity = bus::Severity::kWarning,
                                             .readers = bus::Readers::kAdmins,
                                             .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kUserPassword{.name = "user.password",
                                              .prose = "A user's password was changed.",
                                              .readers = bus::Readers::kAdmins,
                                              .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kUserLink{.name = "user.link",
                                          .prose = "A one-time sign-in link was made or asked for.",
                                          .readers = bus::Readers::kAdmins,
                                          .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kInvitationCreated{.name = "invitation.created", .prose = "An invitation was made."};
inline constexpr bus::EventKind kInvitationDeleted{.name = "invitation.deleted",
                                                   .prose = "An invitation was withdrawn."};
inline constexpr bus::EventKind kTeamCreated{
    .name = "team.created", .prose = "A team was made.", .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kTeamChanged{
    .name = "team.changed", .prose = "A team's name or invitation was changed.", .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kTeamDeleted{.name = "team.deleted",
                                             .prose = "A team was deleted.",
                                             .severity = bus::Severity::kWarning,
                                             .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kTeamJoined{
    .name = "team.joined", .prose = "Somebody joined a team.", .touches = bus::Touches::kRights};
inline constexpr bus::EventKind kTeamLeft{
    .name = "team.left", .prose = "Somebody left a team or was removed from it.", .touches = bus::Touches::kRights};

inline constexpr const bus::EventKind* kAll[] = {&kLogin,
                                                 &kLoginFailed,
                                                 &kLogout,
                                                 &kAuthFailed,
                                                 &kSessionsEnded,
                                                 &kSessionRevoked,
                                                 &kTokenCreated,
                                                 &kTokenRevoked,
                                                 &kUserRegistered,
                                                 &kUserCreated,
                                                 &kUserChanged,
                                                 &kUserDeleted,
                                                 &kUserPassword,
                                                 &kUserLink,
                                                 &kInvitationCreated,
                                                 &kInvitationDeleted,
                                                 &kTeamCreated,
                                                 &kTeamChanged,
                                                 &kTeamDeleted,
                                                 &kTeamJoined,
                                                 &kTeamLeft};

}  // namespace tiltyard::identity::events
