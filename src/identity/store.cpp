#include "identity/store.h"

#include <soci/soci.h>

#include <fmt/core.h>

#include "identity/names.h"
#include "identity/store_rows.h"

namespace tiltyard::identity::sql {
namespace {

using soci::into;
using soci::use;

// NULL travels as an empty text or 0: coalesce() on the way out, nullif() on the way in.
constexpr std::string_view kUsers = R"sql(
select u.id, u.name, u.kind, u.role, coalesce(u.team_id, ''), coalesce(t.name, ''), coalesce(u.password_hash, ''),
       u.created_at, coalesce(u.last_sign_in_at, 0), coalesce(u.disabled_at, 0), coalesce(u.email, '')
from users u left join teams t on t.id = u.team_id
where u.deleted_at is null and )sql";

std::vector<User> select_users(soci::session& sql, std::string_view rest, Values values) {
  User user;
  std::string role;
  long long created = 0, signed_in = 0, disabled = 0;
  std::vector<User> users;
  const auto bind = [&](soci::statement& row) {
    row.exchange(into(user.id));
    row.exchange(into(user.name));
    row.exchange(into(user.kind));
    row.exchange(into(role));
    row.exchange(into(user.team_id));
    row.exchange(into(user.team_name));
    row.exchange(into(user.password_hash));
    row.exchange(into(created));
    row.exchange(into(signed_in));
    row.exchange(into(disabled));
    row.exchange(into(user.email));
  };
  const auto each = [&] {
    // A role that this server does not know may do the least.
    user.role = parse_role(role).value_or(Role::kPlayer);
    user.created_at = from_micros(created);
    user.last_sign_in_at = from_micros(signed_in);
    user.disabled_at = from_micros(disabled);
    users.push_back(user);
  };
  for_each_row(sql, fmt::format("{}{}", kUsers, rest), values, bind, each);
  return users;
}

std::optional<User> first(std::vector<User> users) {
  if (users.empty()) return std::nullopt;
  return std::move(users.front());
}

bool name_taken(soci::session& sql, const User& user) {
  const auto key = name_key(user.kind, user.name), exact = exact_name_key(user.kind, user.name);
  int others = 0;
  sql << "select count(*) from users where name_key in (:key, :exact) and deleted_at is null and id <> :id",
      use(key, "key"), use(exact, "exact"), use(user.id, "id"), into(others);
  return others > 0;
}

std::unexpected<Error> exists(const User& user) {
  return fail(Code::kConflict, "user-exists",
              fmt::format("There is a user \"{}\" already. Choose another name.", user.name));
}

void insert(soci::session& sql, const User& user, std::string_view on_conflict) {
  const auto key = name_key(user.kind, user.name);
  const std::string role(to_string(user.role));
  const long long created = to_micros(user.created_at);
  const auto text = fmt::format(R"sql(
insert into users (id, name, name_key, kind, role, team_id, password_hash, created_at, email, email_key)
values (:id, :name, :key, :kind, :role, nullif(:team, ''), nullif(:hash, ''), :created, nullif(:email, ''), nullif(:ekey, '')) {})sql",
                                on_conflict);
  const auto email_key = fold_address(user.email);
  sql << text, use(user.id, "id"), use(user.name, "name"), use(key, "key"), use(user.kind, "kind"), use(role, "role"),
      use(user.team_id, "team"), use(user.password_hash, "hash"), use(created, "created"), use(user.email, "email"),
      use(email_key, "ekey");
}

}  // namespace

std::string name_key(std::string_view kind, std::string_view name) {
  return fmt::format("{}:{}", kind, fold_name(name));
}

std::string exact_name_key(std::string_view kind, std::string_view name) { return fmt::format("{}\n{}", kind, name); }

int note_origin(soci::session& sql, const std::string& user_id, const std::string& origin) {
  sql << "update users set origin = :origin where id = :id", use(origin, "origin"), use(user_id, "id");
  int count = 0;
  sql << "select count(*) from users where origin = :origin and deleted_at is null", use(origin, "origin"), into(count);
  return count;
}

std::optional<User> user_by_id(soci::session& sql, const std::string& id) {
  return first(select_users(sql, "u.id = :id", {{"id", id}}));
}

std::optional<User> user_by_name(soci::session& sql, const std::string& name) {
  auto exact = first(select_users(sql, "u.name_key = :key", {{"key", exact_name_key("user", name)}}));
  if (exact) return exact;
  return first(select_users(sql, "u.name_key = :key", {{"key", name_key("user", name)}}));
}

std::optional<User> user_by_email(soci::session& sql, const std::string& email) {
  return first(select_users(sql, "u.email_key = :key", {{"key", fold_address(email)}}));
}

bool email_free(soci::session& sql, const std::string& email, const std::string& user_id) {
  const auto other = user_by_email(sql, email);
  return !other || other->id == user_id;
}

std::vector<User> members_of(soci::session& sql, const std::string& team_id) {
  return select_users(sql, "u.team_id = :team order by u.name_key", {{"team", team_id}});
}

std::vector<User> users_after(soci::session& sql, const std::string& cursor, int limit) {
  const auto rest = fmt::format("u.kind <> 'service' and u.id > :cursor order by u.id limit {}", limit);
  return select_users(sql, rest, {{"cursor", cursor}});
}

Result<> insert_user(soci::session& sql, const User& user) {
  if (name_taken(sql, user)) return exists(user);
  if (!user.email.empty() && !email_free(sql, user.email, user.id)) {
    return fail(Code::kConflict, "email-exists", "Another user has this e-mail address.");
  }
  insert(sql, user, "");
  return {};
}

void ensure_user(soci::session& sql, const User& user) { insert(sql, user, "on conflict (id) do nothing"); }

Result<> update_user(soci::session& sql, const User& user) {
  std::string name_before, key;
  sql << "select name, name_key from users where id = :id", use(user.id, "id"), into(name_before), into(key);
  // Who keeps the name keeps the key, which may be the exact one.
  if (user.name != name_before) {
    if (name_taken(sql, user)) return exists(user);
    key = name_key(user.kind, user.name);
  }
  const std::string role(to_string(user.role));
  const long long disabled = to_micros(user.disabled_at);
  const auto email_key = fold_address(user.email);
  if (!user.email.empty() && !email_free(sql, user.email, user.id)) {
    return fail(Code::kConflict, "email-exists", "Another user has this e-mail address.");
  }
  sql << R"sql(update users set name = :name, name_key = :key, role = :role, team_id = nullif(:team, ''),
    password_hash = nullif(:hash, ''), disabled_at = nullif(cast(:disabled as bigint), 0), email = nullif(:email, ''), email_key = nullif(:ekey, '')
    where id = :id)sql",
      use(user.name, "name"), use(key, "key"), use(role, "role"), use(user.team_id, "team"),
      use(user.password_hash, "hash"), use(disabled, "disabled"), use(user.email, "email"), use(email_key, "ekey"),
      use(user.id, "id");
  return {};
}

bool replace_password(soci::session& sql, const std::string& id, const std::string& old_hash,
                      const std::string& new_hash) {
  soci::statement update = (sql.prepare << R"sql(update users set password_hash = :new
    where id = :id and deleted_at is null and coalesce(password_hash, '') = :old)sql",
                            use(new_hash, "new"), use(id, "id"), use(old_hash, "old"));
  update.execute(true);
  return update.get_affected_rows() == 1;
}

void signed_in(soci::session& sql, const std::string& id, TimePoint now) {
  const long long at = to_micros(now);
  sql << "update users set last_sign_in_at = :now where id = :id", use(at, "now"), use(id, "id");
}

bool delete_user(soci::session& sql, const std::string& id, TimePoint now) {
  const long long at = to_micros(now);
  for (const auto* table : {"sessions", "tokens", "links"}) {
    sql << fmt::format("delete from {} where user_id = :id", table), use(id, "id");
  }
  soci::statement update =
      (sql.prepare << R"sql(update users set deleted_at = :now, password_hash = null, team_id = null,
    email = null, email_key = null
    where id = :id and deleted_at is null)sql",
       use(at, "now"), use(id, "id"));
  update.execute(true);
  return update.get_affected_rows() == 1;
}

bool set_up(soci::session& sql) {
  int ready = 0;
  sql << R"sql(select count(*) from users where role = 'admin' and kind = 'user' and deleted_at is null
    and (password_hash is not null or last_sign_in_at is not null))sql",
      into(ready);
  return ready > 0;
}

User admin_to_set_up(soci::session& sql, TimePoint now) {
  auto waiting =
      select_users(sql, "u.role = 'admin' and u.kind = 'user' and u.disabled_at is null order by u.id limit 1", {});
  if (!waiting.empty()) return std::move(waiting.front());
  User admin;
  admin.id = new_ulid();
  admin.role = Role::kAdmin;
  admin.created_at = now;
  admin.name = "admin";
  for (int next = 2; name_taken(sql, admin); ++next) admin.name = fmt::format("admin-{}", next);
  insert(sql, admin, "");
  return admin;
}

std::map<std::string, OwnerName> names_of(soci::session& sql, const std::vector<std::string>& ids) {
  std::map<std::string, OwnerName> names;
  for (const auto& id : ids) {
    std::string name;
    sql << "select name from teams where id = :id", use(id, "id"), into(name);
    const bool team = sql.got_data();
    if (!team) sql << "select name from users where id = :id", use(id, "id"), into(name);
    if (team || sql.got_data()) names.emplace(id, OwnerName{name, team});
  }
  return names;
}

}  // namespace tiltyard::identity::sql
