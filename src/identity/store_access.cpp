// Sessions, tokens and one-time links: what somebody shows to be let in.
#include <soci/soci.h>

#include <fmt/core.h>

#include "identity/store.h"
#include "identity/store_rows.h"

namespace tiltyard::identity::sql {
namespace {

using soci::into;
using soci::use;

std::vector<Token> select_tokens(soci::session& sql, const std::string& rest, Values values) {
  Token token;
  long long created = 0, used = 0, expires = 0;
  std::vector<Token> tokens;
  const auto bind = [&](soci::statement& row) {
    row.exchange(into(token.id));
    row.exchange(into(token.hash));
    row.exchange(into(token.user_id));
    row.exchange(into(token.name));
    row.exchange(into(created));
    row.exchange(into(used));
    row.exchange(into(expires));
    row.exchange(into(token.scopes));
  };
  const auto each = [&] {
    token.created_at = from_micros(created);
    token.last_used_at = from_micros(used);
    token.expires_at = from_micros(expires);
    tokens.push_back(token);
  };
  for_each_row(sql,
               "select id, hash, user_id, name, created_at, coalesce(last_used_at, 0), coalesce(expires_at, 0), "
               "coalesce(scopes, '') from tokens " +
                   rest,
               values, bind, each);
  return tokens;
}

}  // namespace

void insert_session(soci::session& sql, const Session& session) {
  const long long created = to_micros(session.created_at);
  const long long expires = to_micros(session.expires_at), proved = to_micros(session.proved_at);
  sql << R"sql(insert into sessions (id, user_id, strategy, address, token_id, created_at, last_seen_at, expires_at, agent, proved_at)
    values (:id, :user, :strategy, :address, nullif(:token, ''), :created, :seen, :expires, nullif(:agent, ''), :proved))sql",
      use(session.id, "id"), use(session.user_id, "user"), use(session.strategy, "strategy"),
      use(session.address, "address"), use(session.token_id, "token"), use(created, "created"), use(created, "seen"),
      use(expires, "expires"), use(session.agent, "agent"), use(proved, "proved");
}

std::optional<Session> live_session(soci::session& sql, const std::string& id, TimePoint now) {
  Session session;
  session.id = id;
  const long long at = to_micros(now);
  long long created = 0, seen = 0, expires = 0, proved = 0;
  sql << R"sql(select user_id, strategy, address, coalesce(token_id, ''), created_at, last_seen_at, expires_at, coalesce(proved_at, created_at)
    from sessions where id = :id and expires_at > :now)sql",
      use(id, "id"), use(at, "now"), into(session.user_id), into(session.strategy), into(session.address),
      into(session.token_id), into(created), into(seen), into(expires), into(proved);
  if (!sql.got_data()) return std::nullopt;
  session.created_at = from_micros(created);
  session.last_seen_at = from_micros(seen);
  session.expires_at = from_micros(expires);
  session.proved_at = from_micros(proved);
  return session;
}

std::vector<Session> sessions_of(soci::session& sql, const std::string& user_id, TimePoint now) {
  Session session;
  long long created = 0, seen = 0, expires = 0;
  std::vector<Session> sessions;
  const auto bind = [&](soci::statement& row) {
    row.exchange(into(session.id));
    row.exchange(into(session.strategy));
    row.exchange(into(session.address));
    row.exchange(into(session.agent));
    row.exchange(into(created));
    row.exchange(into(seen));
    row.exchange(into(expires));
  };
  const auto each = [&] {
    session.user_id = user_id;
    session.created_at = from_micros(created);
    session.last_seen_at = from_micros(seen);
    session.expires_at = from_micros(expires);
    sessions.push_back(session);
  };
  const auto query =
      fmt::format(R"sql(select id, strategy, address, coalesce(agent, ''), created_at, last_seen_at, expires_at
    from sessions where user_id = :user and expires_at > {} order by created_at desc)sql",
                  to_micros(now));
  for_each_row(sql, query, {{"user", user_id}}, bind, each);
  return sessions;
}

void delete_session(soci::session& sql, const std::string& id) {
  sql << "delete from sessions where id = :id", use(id, "id");
}

std::optional<TimePoint> rename_session(soci::session& sql, const std::string& id, const std::string& fresh_id) {
  soci::statement update =
      (sql.prepare << "update sessions set id = :fresh where id = :id", use(fresh_id, "fresh"), use(id, "id"));
  update.execute(true);
  if (update.get_affected_rows() != 1) return std::nullopt;
  long long expires = 0;
  sql << "select expires_at from sessions where id = :id", use(fresh_id, "id"), into(expires);
  return from_micros(expires);
}

void prove_session(soci::session& sql, const std::string& id, TimePoint now) {
  const long long at = to_micros(now);
  sql << "update sessions set proved_at = :now where id = :id and coalesce(proved_at, created_at) < :now2",
      use(at, "now"), use(id, "id"), use(at, "now2");
}

void end_sessions(soci::session& sql, const std::string& user_id, const std::string& except) {
  sql << "delete from sessions where user_id = :user and id <> :except", use(user_id, "user"), use(except, "except");
}

void end_sessions_and_links(soci::session& sql, const std::string& user_id, const std::string& except) {
  end_sessions(sql, user_id, except);
  sql << "delete from links where user_id = :user and used_at is null", use(user_id, "user");
}

long long end_all_sessions(soci::session& sql, const std::string& except) {
  soci::statement remove = (sql.prepare << "delete from sessions where id <> :except", use(except, "except"));
  remove.execute(true);
  return remove.get_affected_rows();
}

void delete_expired(soci::session& sql, TimePoint now) {
  const long long at = to_micros(now);
  sql << "delete from sessions where expires_at <= :now", use(at, "now");
}

void touch_session(soci::session& sql, const std::string& id, TimePoint now) {
  const long long at = to_micros(now);
  sql << "update sessions set last_seen_at = :now where id = :id and last_seen_at < :now2", use(at, "now"),
      use(id, "id"), use(at, "now2");
}

void insert_token(soci::session& sql, const Token& token) {
  const long long created = to_micros(token.created_at);
  const long long expires = to_micros(token.expires_at);
  sql << R"sql(insert into tokens (id, hash, user_id, name, created_at, expires_at, scopes)
    values (:id, :hash, :user, :name, :created, nullif(cast(:expires as bigint), 0), nullif(:scopes, '')))sql",
      use(token.id, "id"), use(token.hash, "hash"), use(token.user_id, "user"), use(token.name, "name"),
      use(created, "created"), use(expires, "expires"), use(token.scopes, "scopes");
}

std::optional<Token> live_token(soci::session& sql, const std::string& hash, TimePoint now) {
  const auto tokens = select_tokens(sql, "where hash = :hash", {{"hash", hash}});
  if (tokens.empty() || (tokens.front().expires_at != kNever && tokens.front().expires_at <= now)) return std::nullopt;
  return tokens.front();
}

std::vector<Token> tokens_of(soci::session& sql, const std::string& user_id) {
  return select_tokens(sql, "where user_id = :user order by id", {{"user", user_id}});
}

int count_tokens(soci::session& sql, const std::string& user_id) {
  int count = 0;
  sql << "select count(*) from tokens where user_id = :user", use(user_id, "user"), into(count);
  return count;
}

std::optional<std::string> delete_token(soci::session& sql, const std::string& id, const std::string& user_id) {
  std::string hash;
  sql << "select hash from tokens where id = :id and user_id = :user", use(id, "id"), use(user_id, "user"), into(hash);
  if (!sql.got_data()) return std::nullopt;
  sql << "delete from sessions where token_id = :id", use(id, "id");
  sql << "delete from tokens where id = :id", use(id, "id");
  return hash;
}

void touch_token(soci::session& sql, const std::string& hash, TimePoint now) {
  const long long at = to_micros(now);
  sql << "update tokens set last_used_at = :now where hash = :hash and coalesce(last_used_at, 0) < :now2",
      use(at, "now"), use(hash, "hash"), use(at, "now2");
}

void insert_link(soci::session& sql, const std::string& hash, const std::string& user_id, TimePoint now,
                 TimePoint expires, std::string_view purpose) {
  const long long at = to_micros(now);
  const long long until = to_micros(expires);
  const std::string kind(purpose);
  sql << "delete from links where user_id = :user and used_at is null and purpose = :purpose", use(user_id, "user"),
      use(kind, "purpose");
  sql << "insert into links (hash, user_id, created_at, expires_at, purpose) values (:hash, :user, :now, :expires, "
         ":purpose)",
      use(hash, "hash"), use(user_id, "user"), use(at, "now"), use(until, "expires"), use(kind, "purpose");
}

std::optional<std::string> use_link(soci::session& sql, const std::string& hash, TimePoint now,
                                    std::string_view purpose) {
  const long long at = to_micros(now);
  const std::string kind(purpose);
  soci::statement update = (sql.prepare << R"sql(update links set used_at = :now
    where hash = :hash and used_at is null and expires_at > :now2 and purpose = :purpose)sql",
                            use(at, "now"), use(hash, "hash"), use(at, "now2"), use(kind, "purpose"));
  update.execute(true);
  if (update.get_affected_rows() != 1) return std::nullopt;
  std::string user;
  sql << "select user_id from links where hash = :hash", use(hash, "hash"), into(user);
  return user;
}

Result<std::optional<User>> user_of_link(soci::session& sql, const std::string& hash, TimePoint now,
                                         std::string_view purpose) {
  const long long at = to_micros(now);
  const std::string kind(purpose);
  std::string user;
  sql << "select user_id from links where hash = :hash and used_at is null and expires_at > :now and purpose = "
         ":purpose",
      use(hash, "hash"), use(at, "now"), use(kind, "purpose"), into(user);
  if (!sql.got_data()) return std::nullopt;
  return user_by_id(sql, user);
}

}  // namespace tiltyard::identity::sql
