// Users that another server vouches for.
#include <soci/soci.h>

#include <fmt/core.h>

#include <algorithm>

#include "identity/names.h"
#include "identity/secrets.h"
#include "identity/store.h"

namespace tiltyard::identity::sql {
namespace {

using soci::into;
using soci::use;

/// A name that our rules allow: what they forbid is left out; "player-…" when nothing is left.
std::string clean_name(const std::string& wanted, const std::string& subject) {
  std::string name;
  for (const char c : wanted) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) name += c;
  }
  while (name.starts_with(' ')) name.erase(0, 1);
  constexpr std::size_t kRoom = 56;  // for what makes it unique
  while (name.size() > kRoom) {
    // Whole characters of UTF-8 only.
    do name.pop_back();
    while (!name.empty() && (static_cast<unsigned char>(name.back()) & 0xC0) == 0x80);
    if (!name.empty() && static_cast<unsigned char>(name.back()) >= 0xC0) name.pop_back();
  }
  while (name.ends_with(' ')) name.pop_back();
  if (check_name("name", name)) return name;
  return "player-" + fingerprint(subject).substr(0, 8);
}

std::optional<std::string> user_of(soci::session& sql, const Outside& who) {
  std::string id;
  sql << "select user_id from identities where provider = :provider and subject = :subject",
      use(who.provider, "provider"), use(who.subject, "subject"), into(id);
  if (!sql.got_data()) return std::nullopt;
  return id;
}

/// Never an account that is there already: an equal name or address elsewhere proves nothing.
Result<User> make_user(soci::session& sql, const Outside& who, TimePoint now) {
  User user;
  user.id = new_ulid();
  user.role = who.role.value_or(Role::kPlayer);
  user.created_at = now;
  if (!who.email.empty() && check_email(who.email) && email_free(sql, who.email, "")) user.email = who.email;
  const auto name = clean_name(who.name, who.provider + " " + who.subject);
  user.name = name;
  for (int next = 2; user_by_name(sql, user.name); ++next) user.name = fmt::format("{}-{}", name, next);
  if (auto made = insert_user(sql, user); !made) return fail(std::move(made.error()));
  const long long at = to_micros(now);
  sql << "insert into identities (provider, subject, user_id, created_at) values (:provider, :subject, :user, :now)",
      use(who.provider, "provider"), use(who.subject, "subject"), use(user.id, "user"), use(at, "now");
  return user;
}

/// A provider's team is the same for as long as its id is, whatever it is called; that it bears the name of a team of
/// ours does not make it that team.
std::string provided_team(soci::session& sql, const std::string& provider, const OutsideTeam& wanted, TimePoint now) {
  const auto name = clean_name(wanted.name, provider + " team " + wanted.subject);
  std::string id;
  sql << R"sql(select i.team_id from team_identities i join teams t on t.id = i.team_id
    where i.provider = :provider and i.subject = :subject and t.deleted_at is null)sql",
      use(provider, "provider"), use(wanted.subject, "subject"), into(id);
  if (sql.got_data()) {
    const auto team = team_by_id(sql, id);
    // A name that is taken meanwhile is not worth a refusal.
    if (team && team->name != name) static_cast<void>(rename_team(sql, id, name));
    return id;
  }
  auto made = insert_team(sql, name, now);
  for (int next = 2; !made; ++next) made = insert_team(sql, fmt::format("{}-{}", name, next), now);
  sql << "delete from team_identities where provider = :provider and subject = :subject", use(provider, "provider"),
      use(wanted.subject, "subject");
  sql << "insert into team_identities (provider, subject, team_id) values (:provider, :subject, :team)",
      use(provider, "provider"), use(wanted.subject, "subject"), use(made->id, "team");
  return made->id;
}

}  // namespace

Result<User> admit_outside(soci::session& sql, const Outside& who, TimePoint now) {
  const auto known = user_of(sql, who);
  auto found = known ? user_by_id(sql, *known) : std::optional<User>();
  if (known && !found) return fail(Code::kForbidden, "forbidden", "This account was removed by an administrator.");
  auto user = found ? Result<User>(*found) : make_user(sql, who, now);
  if (!user) return user;
  const auto before_role = user->role;
  const auto before_team = user->team_id;
  if (who.role) user->role = *who.role;
  if (who.team) {
    user->team_id.clear();
    if (*who.team) {
      const auto& team = **who.team;
      user->team_id = team.subject.empty() ? ensure_team(sql, clean_name(team.name, team.name), now)
                                           : provided_team(sql, who.provider, team, now);
    }
  }
  if (user->role != before_role || user->team_id != before_team) {
    if (auto written = update_user(sql, *user); !written) return fail(std::move(written.error()));
    if (found) end_sessions_and_links(sql, user->id, "");
  }
  auto fresh = user_by_id(sql, user->id);
  if (!fresh) return fail(Code::kInternal, "user-lost", "The account could not be read back.");
  return *fresh;
}

bool provider_is_known(soci::session& sql, const std::string& provider) {
  int found = 0;
  sql << R"sql(select case when exists (select 1 from identities where provider = :provider)
    or exists (select 1 from team_identities where provider = :provider2) then 1 else 0 end)sql",
      use(provider, "provider"), use(provider, "provider2"), into(found);
  return found != 0;
}

void rename_provider(soci::session& sql, const std::string& from, const std::string& to) {
  sql << "update identities set provider = :new where provider = :old", use(to, "new"), use(from, "old");
  sql << "update team_identities set provider = :new where provider = :old", use(to, "new"), use(from, "old");
}

bool use_state(soci::session& sql, const std::string& hash, TimePoint now, TimePoint expires) {
  const long long at = to_micros(now), until = to_micros(expires);
  sql << "delete from used_states where expires_at <= :now", use(at, "now");
  soci::statement insert = (sql.prepare << R"sql(insert into used_states (hash, expires_at) values (:hash, :until)
    on conflict (hash) do nothing)sql",
                            use(hash, "hash"), use(until, "until"));
  insert.execute(true);
  return insert.get_affected_rows() == 1;
}

}  // namespace tiltyard::identity::sql
