#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "identity/identity.h"

namespace soci {
class session;
}

/// The SQL of identity. Every function runs inside the transaction of the session that it is given.
namespace tiltyard::identity::sql {

inline constexpr TimePoint kNever{};  ///< how a time that is NULL comes out of the database

struct User {
  std::string id;
  std::string name;
  std::string kind = "user";
  Role role = Role::kPlayer;
  std::string team_id, team_name;  ///< empty: none
  std::string password_hash;       ///< empty: none
  std::string email;               ///< empty: none
  TimePoint created_at = kNever, last_sign_in_at = kNever, disabled_at = kNever;
};

struct Session {
  std::string id;  ///< fingerprint of the cookie's value
  std::string user_id;
  std::string strategy;
  std::string address;
  std::string token_id;  ///< what it was made with, if a token; the session ends with it
  std::string agent;     ///< the browser, as it calls itself
  TimePoint created_at = kNever, last_seen_at = kNever, expires_at = kNever;
  TimePoint proved_at = kNever;  ///< when its owner last showed who it is
};

struct Token {
  std::string id;
  std::string hash;
  std::string user_id;
  std::string name;
  std::string scopes;  ///< with blanks between them; empty: all that its user may
  TimePoint created_at = kNever, last_used_at = kNever, expires_at = kNever;  ///< kNever: does not expire
};

/// What decides whether two names are the same; users and the other kinds do not share names.
std::string name_key(std::string_view kind, std::string_view name);
/// The key of who has the same name as another since the rules of what is the same have changed: found first, and only
/// by exactly this name. No name has a line break. A team's kind is empty.
std::string exact_name_key(std::string_view kind, std::string_view name);

/// Whether living users and teams have keys of other rules than today's, which `renew_name_keys` then gives them: where
/// another has the key already, the exact one.
bool name_keys_are_old(soci::session& sql);
void renew_name_keys(soci::session& sql);

/// Whether users or teams are known by a provider of this name; and gives these another. Accounts of a CTFd from before
/// its address was part of the name become those of the one that is configured.
bool provider_is_known(soci::session& sql, const std::string& provider);
void rename_provider(soci::session& sql, const std::string& from, const std::string& to);

// Users. Deleted ones are found by nobody but names_of().
std::optional<User> user_by_id(soci::session& sql, const std::string& id);
std::optional<User> user_by_name(soci::session& sql, const std::string& name);
std::optional<User> user_by_email(soci::session& sql, const std::string& email);
/// Notes from which address an account was made without an invitation, and says how many such there are now.
int note_origin(soci::session& sql, const std::string& user_id, const std::string& origin);
bool email_free(soci::session& sql, const std::string& email, const std::string& user_id);
/// A page of users and seats in the order of their ids, after `cursor`.
std::vector<User> users_after(soci::session& sql, const std::string& cursor, int limit);
/// `user-exists` when the name is taken.
Result<> insert_user(soci::session& sql, const User& user);
/// Makes the row of a seat or of the service if it is not there.
void ensure_user(soci::session& sql, const User& user);
/// Writes name, role, team, password hash and disabled_at. `user-exists` when the new name is taken.
Result<> update_user(soci::session& sql, const User& user);
/// Only if the password is still the one that was read; false: somebody else has changed it.
bool replace_password(soci::session& sql, const std::string& id, const std::string& old_hash,
                      const std::string& new_hash);
void signed_in(soci::session& sql, const std::string& id, TimePoint now);
/// Removes sessions, tokens and links; the row stays for the names in reports, and frees the name. False: unknown.
bool delete_user(soci::session& sql, const std::string& id, TimePoint now);
/// Whether an administrator exists who can sign in, or has.
bool set_up(soci::session& sql);
/// An administrator who has not signed in yet; made as "admin" (or "admin-2", …) if there is none.
User admin_to_set_up(soci::session& sql, TimePoint now);

// Teams
/// The team's id; the team is made when it is new.
std::string ensure_team(soci::session& sql, const std::string& name, TimePoint now);

// Sessions
void insert_session(soci::session& sql, const Session& session);
std::optional<Session> live_session(soci::session& sql, const std::string& id, TimePoint now);
void delete_session(soci::session& sql, const std::string& id);
/// The same session under another id (a new cookie): when it ends, or nullopt when there is none of the old id.
std::optional<TimePoint> rename_session(soci::session& sql, const std::string& id, const std::string& fresh_id);
/// Its owner has shown at `now` who it is; never takes a later proof back.
void prove_session(soci::session& sql, const std::string& id, TimePoint now);
/// The user's sessions that are not over, the newest first.
std::vector<Session> sessions_of(soci::session& sql, const std::string& user_id, TimePoint now);
/// All sessions of the user, but for the session `except`.
void end_sessions(soci::session& sql, const std::string& user_id, const std::string& except);
/// And the unused links.
void end_sessions_and_links(soci::session& sql, const std::string& user_id, const std::string& except);
void delete_expired(soci::session& sql, TimePoint now);
void touch_session(soci::session& sql, const std::string& id, TimePoint now);

// Tokens
void insert_token(soci::session& sql, const Token& token);
std::optional<Token> live_token(soci::session& sql, const std::string& hash, TimePoint now);
std::vector<Token> tokens_of(soci::session& sql, const std::string& user_id);
int count_tokens(soci::session& sql, const std::string& user_id);
/// Everybody's, but for the session `except`. How many there were.
long long end_all_sessions(soci::session& sql, const std::string& except);
/// With the sessions that were made with it. nullopt: the user has no such token; else its hash.
std::optional<std::string> delete_token(soci::session& sql, const std::string& id, const std::string& user_id);
void touch_token(soci::session& sql, const std::string& hash, TimePoint now);

// One-time links
inline constexpr std::string_view kSignInLink = "sign-in";  ///< opens a session
inline constexpr std::string_view kResetLink = "reset";     ///< sets a password
/// Unused earlier links of the user are replaced.
void insert_link(soci::session& sql, const std::string& hash, const std::string& user_id, TimePoint now,
                 TimePoint expires, std::string_view purpose = kSignInLink);
/// Uses the link up: the user's id for exactly one caller, nullopt for everybody else.
std::optional<std::string> use_link(soci::session& sql, const std::string& hash, TimePoint now,
                                    std::string_view purpose = kSignInLink);

/// Whose link it is, without using it up.
Result<std::optional<User>> user_of_link(soci::session& sql, const std::string& hash, TimePoint now,
                                         std::string_view purpose);

// What other people's servers say of somebody
struct OutsideTeam {
  std::string name;
  std::string subject;  ///< the provider's id of it; empty: our configuration names the team
};
struct Outside {
  std::string provider, subject;
  std::string name, email;  ///< wishes: the name is cleaned and made unique, an address that is taken is left out
  std::optional<Role> role;
  std::optional<std::optional<OutsideTeam>> team;  ///< outer nullopt: not said; inner: none
};
/// The user that belongs to it, made at the first time, with role and team brought up to date; when these change the
/// user's other sessions end. `forbidden` when an administrator has removed the user.
Result<User> admit_outside(soci::session& sql, const Outside& who, TimePoint now);
/// False: it was used already.
bool use_state(soci::session& sql, const std::string& hash, TimePoint now, TimePoint expires);

// Teams, as staff and members see them
struct Team {
  std::string id, name;
  TimePoint created_at = kNever;
  int members = 0;
};
std::vector<Team> teams_after(soci::session& sql, const std::string& cursor, int limit);
std::optional<Team> team_by_id(soci::session& sql, const std::string& id);
/// `team-exists` when the name is taken.
Result<Team> insert_team(soci::session& sql, const std::string& name, TimePoint now);
Result<> rename_team(soci::session& sql, const std::string& id, const std::string& name);
/// Frees the name; members are in no team then, invitations are gone. False: unknown.
bool delete_team(soci::session& sql, const std::string& id, TimePoint now);
std::vector<User> members_of(soci::session& sql, const std::string& team_id);
/// An empty team takes the user out of the one there is.
void put_into_team(soci::session& sql, const std::string& user_id, const std::string& team_id);
bool anybody_in_a_team(soci::session& sql);

// Invitations: to make an account, or to join a team
struct Invitation {
  std::string id, hash;
  std::string kind = "account";  ///< account, team
  Role role = Role::kPlayer;
  std::string team_id, team_name;
  int uses_left = 1;
  std::string created_by;
  TimePoint created_at = kNever, expires_at = kNever;
};
void insert_invitation(soci::session& sql, const Invitation& invitation);
/// Of the kind, that still work.
std::vector<Invitation> invitations_of(soci::session& sql, const std::string& kind, TimePoint now);
bool delete_invitation(soci::session& sql, const std::string& id);
void delete_team_invitations(soci::session& sql, const std::string& team_id);
/// Takes one use away: for exactly as many callers as it has uses; nullopt for everybody else.
std::optional<Invitation> use_invitation(soci::session& sql, const std::string& kind, const std::string& hash,
                                         TimePoint now);

/// Names of teams and users (deleted ones too) by id; unknown ids are left out.
std::map<std::string, OwnerName> names_of(soci::session& sql, const std::vector<std::string>& ids);

}  // namespace tiltyard::identity::sql
