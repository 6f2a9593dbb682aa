#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <any>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/offload.h"
#include "base/result.h"
#include "base/secret.h"
#include "bus/bus.h"
#include "house/routes.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::identity {

enum class Role { kPlayer, kAuthor, kOperator, kAdmin };  // each may do what the earlier ones may
std::string_view to_string(Role role);
Result<Role> parse_role(std::string_view text);

using house::kAllScopes;
using house::Scope;

/// Who is asking, as found by one of the strategies. `owner` is what instances and flags belong to: the team's id in
/// team mode, else the user's.
struct Principal {
  UserId user;
  std::string name;
  std::optional<TeamId> team;
  std::string team_name;
  Role role = Role::kPlayer;
  std::string kind = "user";  ///< user, address, service (the admin token)
  std::string strategy;       ///< local, token, link, address, ctfd, oidc, admin-token
  std::string session;        ///< id of the session or token; empty for the admin token
  bool has_password = false;
  std::string email;
  unsigned scopes = kAllScopes;  ///< of Scope; fewer for a token that was made so
  TimePoint proved{};            ///< of a session: when its owner last showed who it is
  std::string access;            ///< how identity finds this person again; empty for the admin token

  std::string owner() const { return team ? team->str() : user.str(); }
  bool staff() const { return role >= Role::kOperator; }
  bool at_least(Role least) const { return role >= least; }
  bool may(Scope scope) const { return (scopes & static_cast<unsigned>(scope)) != 0; }
};

/// The principal that the filter put into the request; only for routes that need sign-in.
const Principal& principal_of(const http::Request& request);
/// The caller as the event log names them.
bus::Actor actor_of(const http::Request& request);
/// What the filter does at its end; tests of other capabilities use it to say who asks.
void set_principal(http::Request& request, std::shared_ptr<const Principal> principal);

/// What somebody may have at once; 0 is no limit. Shown by /me.
struct Limits {
  int instances = 0;
  int running = 0;
};

/// What an owner's id stands for.
struct OwnerName {
  std::string name;
  bool team = false;
};

enum class Registration { kOff, kInvite, kOpen };
/// kAuto: on while anybody is in a team.
enum class TeamMode { kAuto, kOn, kOff };

/// An OpenID Connect provider; options.cpp says what its keys mean.
struct OidcProvider {
  std::string title, issuer, client_id;
  Secret client_secret;
  std::string tls_ca;
  std::vector<std::string> scopes = {"openid", "profile", "email"};
  std::vector<std::string> algorithms;
  std::string name_claim = "preferred_username", role_claim, team_claim;
  std::map<std::string, std::string> roles, teams;
};

/// A letter to one person. Nothing in it is a secret but what its reader needs: a one-time link.
struct Letter {
  std::string to, subject, text;
};

struct Options {
  std::vector<std::string> strategies = {"local", "token"};  ///< local, token, address, ctfd, oidc
  Registration registration = Registration::kOff;
  int accounts_per_address = 30;  ///< that may be made without an invitation from one address, and be there at once
  bool confirm_mail =
      true;  ///< accounts made without an invitation wait for a letter's link, where letters can be sent
  TeamMode teams = TeamMode::kAuto;
  std::string ctfd_url;
  Secret ctfd_token;  ///< an administrator's; empty: none
  std::optional<Role>
      ctfd_admins;  ///< what the CTFd's administrators are here, and its others players; nullopt: roles are ours alone
  std::map<std::string, OidcProvider> oidc;
  /// Hands a letter over to be sent; empty: no mail can be sent, and nobody is offered it.
  std::function<asio::awaitable<Result<>>(Letter)> mail;
  /// Writes down what a stranger can cause at will; empty: nowhere.
  std::function<void(bus::Event)> note;
  std::chrono::hours session_length{7 * 24};
  std::chrono::seconds proof_for{15 *
                                 60};  ///< how long a sign-in is proof enough for what would let somebody else stay in
  std::string data_folder;             ///< where admin.token lives
  Secret admin_token;  ///< from the configuration; empty: read from or made in data_folder/admin.token (mode 0600)
  std::vector<std::string> trusted_proxies;  ///< CIDRs whose X-Forwarded-For is believed
  std::vector<std::string> allow_targets;    ///< CIDRs that providers may name although net::Reach refuses them
  std::vector<std::string> hall;  ///< CIDRs that may use the address strategy; empty: private and loopback ranges
  int password_min = 10;
  // Argon2id cost (libsodium: memory in bytes, passes)
  std::size_t argon_memory = 64 * 1024 * 1024;
  unsigned argon_passes = 3;
  int hash_queue = 128;  ///< passwords that may wait to be checked; further sign-ins are answered `queue-full` (503)
  std::string site_name = "Tiltyard";
  std::string version;
  std::string public_url;  ///< "https://ctf.example": where one-time links lead; empty: the Host that the request names
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

std::vector<store::Migration> migrations();

/// A capability with a credential of its own, such as a token that only its programs have.
class HasCredential {
 public:
  virtual ~HasCredential() = default;
  /// Who a request to this route is by it; null: it carries none that counts here. On the home loop.
  virtual std::shared_ptr<const Principal> principal(const http::Request& request, const http::Route& route) const = 0;
};

class Service {
 public:
  Service(Options options, store::Store& store, const Clock& clock, WorkerPool& hashing);
  ~Service();

  /// Makes the admin token if there is none, and sees to it that names of before are found by today's rules.
  asio::awaitable<Result<>> prepare();
  /// The one-time sign-in link's token for the first admin (user "admin", made if missing), valid for 24 hours; nullopt
  /// once an admin has a password or has signed in. An unused earlier one is replaced.
  asio::awaitable<Result<std::optional<Secret>>> setup_link();
  /// The job of `watch`.
  void declare_jobs(jobs::Service& jobs);
  /// Router filter: finds the principal (bearer token, session cookie, admin token), checks the route's access and
  /// CSRF.
  asio::awaitable<Result<>> authorise(http::Request& request, const http::Route& route);
  /// The same by rights that are no route's own.
  asio::awaitable<Result<>> authorise(http::Request& request, house::Rights needs);
  /// Whose address it is, behind trusted proxies; for what is let in by a credential that is not ours.
  void note_address(http::Request& request) const;
  /// The same, for any thread; nullopt: it cannot be told.
  std::optional<boost::asio::ip::address> client_address(const http::Request& request) const;
  /// Whether it is a proxy's that names others in what it sends; for any thread.
  bool is_proxy(const boost::asio::ip::address& peer) const;
  /// Whose browser sends the request, if somebody has signed in with it before: something that stands for the name.
  /// Thread-safe, once the service is prepared.
  std::optional<std::string> known_browser(const http::Request& request) const;
  /// /api/v1/auth, session, me and what is below it, admin/users, admin/teams, admin/invitations, admin/permissions.
  /// They must outlive this: what each route needs is asked of them.
  void add_routes(house::Routes& routes);
  /// Router watch: what answers for long (streams, WebSockets, requests that wait) ends when who asked may no longer
  /// have it: session over, token revoked, another role, another team. Within a second.
  asio::awaitable<Result<>> watch(std::any principal, http::Response& response);

  /// The name of an owner (Principal::owner()): the team's or the user's, deleted ones too. An id that nobody knows is
  /// its own name. Remembered; home loop only.
  asio::awaitable<Result<std::string>> display_name(std::string owner);
  /// The same for many at once; every id asked for is in the answer.
  asio::awaitable<Result<std::map<std::string, OwnerName>>> owner_names(std::vector<std::string> owners);
  /// How many are in a team.
  asio::awaitable<Result<std::size_t>> members(TeamId team);
  /// How much somebody may have, for their own page to show. There is one who says it; without, there are no limits.
  void limit(std::function<Limits(const Principal&)> limits);
  /// Called on the home loop after a user was deleted, with the id that the user's own instances carry.
  void on_user_deleted(std::function<void(UserId)> hook);
  /// Waits for the "last used" writes that are under way; call before the store closes.
  asio::awaitable<void> close();

  struct State;  ///< known only inside identity/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::identity
