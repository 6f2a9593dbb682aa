// Teams and the invitations to them and to the site.
#include <soci/soci.h>

#include <fmt/core.h>

#include "identity/names.h"
#include "identity/store.h"
#include "identity/store_rows.h"

namespace tiltyard::identity::sql {
namespace {

using soci::into;
using soci::use;

std::vector<Team> select_teams(soci::session& sql, const std::string& rest, Values values) {
  Team team;
  long long created = 0;
  std::vector<Team> teams;
  const auto bind = [&](soci::statement& row) {
    row.exchange(into(team.id));
    row.exchange(into(team.name));
    row.exchange(into(created));
    row.exchange(into(team.members));
  };
  const auto each = [&] {
    team.created_at = from_micros(created);
    teams.push_back(team);
  };
  for_each_row(sql,
               R"sql(select t.id, t.name, t.created_at,
    (select count(*) from users u where u.team_id = t.id and u.deleted_at is null)
    from teams t where t.deleted_at is null and )sql" +
                   rest,
               values, bind, each);
  return teams;
}

bool team_name_taken(soci::session& sql, const std::string& name, const std::string& id) {
  const auto key = fold_name(name), exact = exact_name_key("", name);
  int others = 0;
  sql << "select count(*) from teams where name_key in (:key, :exact) and id <> :id", use(key, "key"),
      use(exact, "exact"), use(id, "id"), into(others);
  return others > 0;
}

std::unexpected<Error> team_exists(const std::string& name) {
  return fail(Code::kConflict, "team-exists",
              fmt::format("There is a team \"{}\" already. Choose another name.", name));
}

constexpr std::string_view kInvitations = R"sql(
select i.id, i.hash, i.kind, i.role, coalesce(i.team_id, ''), coalesce(t.name, ''), i.uses_left, i.created_by, i.created_at, i.expires_at
from invitations i left join teams t on t.id = i.team_id where )sql";

std::vector<Invitation> select_invitations(soci::session& sql, const std::string& rest, Values values) {
  Invitation one;
  std::string role;
  long long created = 0, expires = 0;
  std::vector<Invitation> all;
  const auto bind = [&](soci::statement& row) {
    row.exchange(into(one.id));
    row.exchange(into(one.hash));
    row.exchange(into(one.kind));
    row.exchange(into(role));
    row.exchange(into(one.team_id));
    row.exchange(into(one.team_name));
    row.exchange(into(one.uses_left));
    row.exchange(into(one.created_by));
    row.exchange(into(created));
    row.exchange(into(expires));
  };
  const auto each = [&] {
    one.role = parse_role(role).value_or(Role::kPlayer);
    one.created_at = from_micros(created);
    one.expires_at = from_micros(expires);
    all.push_back(one);
  };
  for_each_row(sql, std::string(kInvitations) + rest, values, bind, each);
  return all;
}

}  // namespace

std::string ensure_team(soci::session& sql, const std::string& name, TimePoint now) {
  const auto key = fold_name(name), exact = exact_name_key("", name);
  std::string id;
  sql << "select id from teams where name_key = :key", use(exact, "key"), into(id);
  if (!id.empty()) return id;
  const auto fresh = new_ulid();
  const long long at = to_micros(now);
  sql << R"sql(insert into teams (id, name, name_key, created_at) values (:id, :name, :key, :now)
    on conflict (name_key) do nothing)sql",
      use(fresh, "id"), use(name, "name"), use(key, "key"), use(at, "now");
  sql << "select id from teams where name_key = :key", use(key, "key"), into(id);
  return id;
}

std::vector<Team> teams_after(soci::session& sql, const std::string& cursor, int limit) {
  return select_teams(sql, fmt::format("t.id > :cursor order by t.id limit {}", limit), {{"cursor", cursor}});
}

std::optional<Team> team_by_id(soci::session& sql, const std::string& id) {
  auto teams = select_teams(sql, "t.id = :id", {{"id", id}});
  if (teams.empty()) return std::nullopt;
  return std::move(teams.front());
}

Result<Team> insert_team(soci::session& sql, const std::string& name, TimePoint now) {
  if (team_name_taken(sql, name, "")) return team_exists(name);
  return Team{ensure_team(sql, name, now), name, now, 0};
}

Result<> rename_team(soci::session& sql, const std::string& id, const std::string& name) {
  const auto before = team_by_id(sql, id);
  if (before && before->name == name) return {};
  if (team_name_taken(sql, name, id)) return team_exists(name);
  const auto key = fold_name(name);
  sql << "update teams set name = :name, name_key = :key where id = :id", use(name, "name"), use(key, "key"),
      use(id, "id");
  return {};
}

bool delete_team(soci::session& sql, const std::string& id, TimePoint now) {
  const long long at = to_micros(now);
  // The row stays for the names in reports. No name has a line break, so none is taken by the key that is left.
  const auto key = "\n" + id;
  soci::statement update =
      (sql.prepare << "update teams set deleted_at = :now, name_key = :key where id = :id and deleted_at is null",
       use(at, "now"), use(key, "key"), use(id, "id"));
  update.execute(true);
  if (update.get_affected_rows() != 1) return false;
  sql << "update users set team_id = null where team_id = :id", use(id, "id");
  sql << "delete from invitations where team_id = :id", use(id, "id");
  return true;
}

void put_into_team(soci::session& sql, const std::string& user_id, const std::string& team_id) {
  sql << "update users set team_id = nullif(:team, '') where id = :id", use(team_id, "team"), use(user_id, "id");
}

bool anybody_in_a_team(soci::session& sql) {
  int count = 0;
  sql << "select count(*) from users where team_id is not null and deleted_at is null", into(count);
  return count > 0;
}

void insert_invitation(soci::session& sql, const Invitation& one) {
  const std::string role(to_string(one.role));
  const long long created = to_micros(one.created_at), expires = to_micros(one.expires_at);
  sql << R"sql(insert into invitations (id, hash, kind, role, team_id, uses_left, created_by, created_at, expires_at)
    values (:id, :hash, :kind, :role, nullif(:team, ''), :uses, :by, :created, :expires))sql",
      use(one.id, "id"), use(one.hash, "hash"), use(one.kind, "kind"), use(role, "role"), use(one.team_id, "team"),
      use(one.uses_left, "uses"), use(one.created_by, "by"), use(created, "created"), use(expires, "expires");
}

std::vector<Invitation> invitations_of(soci::session& sql, const std::string& kind, TimePoint now) {
  return select_invitations(
      sql, fmt::format("i.kind = :kind and i.uses_left > 0 and i.expires_at > {} order by i.id desc", to_micros(now)),
      {{"kind", kind}});
}

bool delete_invitation(soci::session& sql, const std::string& id) {
  soci::statement gone = (sql.prepare << "delete from invitations where id = :id", use(id, "id"));
  gone.execute(true);
  return gone.get_affected_rows() == 1;
}

void delete_team_invitations(soci::session& sql, const std::string& team_id) {
  sql << "delete from invitations where team_id = :team and kind = 'team'", use(team_id, "team");
}

std::optional<Invitation> use_invitation(soci::session& sql, const std::string& kind, const std::string& hash,
                                         TimePoint now) {
  const long long at = to_micros(now);
  soci::statement update = (sql.prepare << R"sql(update invitations set uses_left = uses_left - 1
    where hash = :hash and kind = :kind and uses_left > 0 and expires_at > :now)sql",
                            use(hash, "hash"), use(kind, "kind"), use(at, "now"));
  update.execute(true);
  if (update.get_affected_rows() != 1) return std::nullopt;
  auto found = select_invitations(sql, "i.hash = :hash", {{"hash", hash}});
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace tiltyard::identity::sql
