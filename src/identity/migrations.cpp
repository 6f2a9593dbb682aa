#include "identity/identity.h"

namespace tiltyard::identity {

/// Numbers 100 to 199 are ours. No secret is in these tables: passwords are Argon2id, the rest BLAKE2b fingerprints.
std::vector<store::Migration> migrations() {
  return {
      {100, "identity", R"sql(
create table teams (
  id text primary key,
  name text not null,
  name_key text not null unique,
  created_at bigint not null
);
create table users (
  id text primary key,
  name text not null,
  name_key text not null,
  kind text not null,
  role text not null,
  team_id text references teams(id),
  password_hash text,
  created_at bigint not null,
  last_sign_in_at bigint,
  disabled_at bigint,
  deleted_at bigint
);
create unique index users_name_key on users(name_key) where deleted_at is null;
create table sessions (
  id text primary key,
  user_id text not null references users(id),
  strategy text not null,
  address text not null,
  token_id text,
  created_at bigint not null,
  last_seen_at bigint not null,
  expires_at bigint not null
);
create index sessions_user on sessions(user_id);
create index sessions_token on sessions(token_id);
create index sessions_expires on sessions(expires_at);
create table tokens (
  id text primary key,
  hash text not null unique,
  user_id text not null references users(id),
  name text not null,
  created_at bigint not null,
  last_used_at bigint,
  expires_at bigint
);
create index tokens_user on tokens(user_id);
create table links (
  hash text primary key,
  user_id text not null references users(id),
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint
);
create index links_user on links(user_id)
)sql"},
      {101, "identity: providers, invitations, scopes", R"sql(
alter table users add column email text;
alter table users add column email_key text;
create unique index users_email_key on users(email_key) where deleted_at is null and email_key is not null;
create index users_team on users(team_id);
alter table teams add column deleted_at bigint;
alter table sessions add column agent text;
alter table tokens add column scopes text;
alter table links add column purpose text not null default 'sign-in';
create table identities (
  provider text not null,
  subject text not null,
  user_id text not null references users(id),
  created_at bigint not null,
  primary key (provider, subject)
);
create index identities_user on identities(user_id);
create table team_identities (
  provider text not null,
  subject text not null,
  team_id text not null references teams(id),
  primary key (provider, subject)
);
create table invitations (
  id text primary key,
  hash text not null unique,
  kind text not null,
  role text not null,
  team_id text references teams(id),
  uses_left integer not null,
  created_by text not null,
  created_at bigint not null,
  expires_at bigint not null
);
create index invitations_team on invitations(team_id);
create table used_states (
  hash text primary key,
  expires_at bigint not null
)
)sql"},
      {102, "identity: when a session's owner was last proved", "alter table sessions add column proved_at bigint"},
      {"where accounts were made", R"sql(
alter table users add column origin text not null default '';
create index users_origin on users(origin)
)sql"},
  };
}

}  // namespace tiltyard::identity
