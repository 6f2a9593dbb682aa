#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/gate.h"
#include "base/parallel.h"
#include "identity/address.h"
#include "identity/attempts.h"
#include "identity/cache.h"
#include "identity/device.h"
#include "identity/events.h"
#include "identity/hasher.h"
#include "identity/identity.h"
#include "identity/scopes.h"
#include "identity/store.h"
#include "identity/strategy.h"

namespace tiltyard::identity {

using house::Access;
using house::Proof;
using house::Whose;

/// An answer or connection that lasts as long as the right of who asked. Lives on its connection's loop.
struct Watched {
  Watched(std::shared_ptr<const Principal> w, asio::any_io_executor l)
      : who(std::move(w)), loop(std::move(l)), over(loop) {}

  const std::shared_ptr<const Principal> who;
  const asio::any_io_executor loop;
  Signal over;
};

/// Everything that identity keeps. Lives on the home loop, as long as the service or one of its requests.
struct Service::State {
  State(Options o, store::Store& s, const Clock& c, WorkerPool& hashing)
      : options(std::move(o)),
        store(s),
        clock(c),
        hasher(hashing, options.argon_memory, options.argon_passes, options.hash_queue),
        attempts(10, std::chrono::minutes{10}),
        outside_attempts(100, std::chrono::minutes{10}) {}

  Options options;
  store::Store& store;
  const Clock& clock;
  Hasher hasher;
  Attempts attempts;
  /// Wrong passwords by name, from browsers that are not known, in an hour. Nobody is refused by it.
  Attempts name_failures{std::numeric_limits<int>::max(), std::chrono::hours{1}};
  Devices devices;
  Attempts outside_attempts;  ///< of what others check for us: a hall behind one address may begin all at once
  PrincipalCache cache;
  std::shared_ptr<Ctfd> ctfd;  ///< when it is configured
  OidcProviders providers;
  const house::Routes* routes = nullptr;  ///< what each route needs
  std::optional<bool> has_team;           ///< nullopt: not known at this moment
  Gate gate{"identity"};
  Secret admin_token;
  std::shared_ptr<const Principal> service;  ///< who the admin token is
  Networks trusted_proxies, hall;
  std::vector<std::unique_ptr<Strategy>> strategies;  ///< those that are on
  std::unordered_map<std::string, OwnerName> names;
  std::function<Limits(const Principal&)> limits;  ///< empty: no limits
  std::vector<std::function<void(UserId)>> deleted_hooks;
  std::mutex watched_mutex;
  std::vector<std::weak_ptr<Watched>> watched;

  bool on(std::string_view strategy) const;
  Strategy* strategy(std::string_view name) const;
};

using StatePtr = std::shared_ptr<Service::State>;

/// A browser or program that wants to be signed in.
struct Visitor {
  std::optional<asio::ip::address> client;
  std::string address;  ///< the same as text; empty: not to be found out
  std::string agent;    ///< what it calls itself, printable and bounded
  std::string old_session;
  std::optional<Devices::Device> device;  ///< somebody has signed in with it before
  bool secure = false;
  bool by_a_stranger = false;  ///< a proxy that we do not know may stand between
};
Visitor visitor_of(const Service::State& state, const http::Request& request);
struct SignedIn {
  Principal principal;
  std::vector<std::string> cookies;  ///< the values of Set-Cookie: the session, and what the browser is known by later
};
/// The whole way of a sign-in: the strategy that the body names, the transaction, the session, what is written down of
/// it.
asio::awaitable<Result<SignedIn>> sign_in_by(StatePtr state, boost::json::object body, Visitor visitor);
/// Shows once more, by what a sign-in takes (without the name), that it is the person who is signed in: the session's
/// proof is fresh then.
asio::awaitable<Result<>> prove_by(StatePtr state, boost::json::object body, Visitor visitor, Principal who);
/// The strategies by which this person can do that; none for an account without a password that came by a link.
boost::json::array proofs_of(const Service::State& state, const Principal& who);
/// A token is a proof with every request, and a seat is its address.
bool proves_itself(const Principal& who);
/// `sign-in-again` when the last proof is older than Options::proof_for.
Result<> check_proof(const Service::State& state, const Principal& who);
/// The part of a sign-in after the strategy.
asio::awaitable<Result<SignedIn>> open_session_for(StatePtr state, Admission admission, std::string strategy,
                                                   Visitor visitor);
/// A refused sign-in, for the log of events; `name` is who it was said to be.
void note_refusal(const Service::State& state, const Visitor& visitor, std::string_view strategy,
                  const std::string& name, const Error& error);
/// "https://range.example", without a slash at the end: as configured, else as the request names it.
std::string site_url(const Service::State& state, const http::Request& request);
bus::Actor actor_of(const Service::State& state, const http::Request& request);
/// An event of ours, to be recorded in the transaction of its change.
bus::Event event_of(bus::KindRef kind, bus::Actor actor, std::string subject, boost::json::object detail = {});
/// Whether instances belong to teams at this moment.
asio::awaitable<Result<bool>> teams_are_on(StatePtr state);
/// Who `access` (of a principal) is now, from the cache or the database; empty: nobody any more.
asio::awaitable<Result<std::shared_ptr<const Principal>>> principal_now(StatePtr state, std::string access);

// How a request shows who it is
inline constexpr std::string_view kPlainCookie = "tiltyard";
inline constexpr std::string_view kSecureCookie = "__Host-tiltyard";  ///< RFC 6265bis, 4.1.3.2
std::string_view cookie_name(bool secure);
std::string_view device_cookie_name(bool secure);
std::string session_cookie(bool secure, std::string_view value, std::chrono::seconds lives);
inline std::string session_key(const std::string& id) { return "s:" + id; }
inline std::string token_key(const std::string& hash) { return "t:" + hash; }
inline std::string ctfd_key(const std::string& hash) { return "c:" + hash; }

Principal make_principal(const sql::User& user, std::string strategy, std::string session);
/// `csrf` when the browser says that another site's page made the request.
Result<> check_same_origin(const http::Request& request);
void note_address(const Service::State& state, http::Request& request);
asio::awaitable<Result<>> authorise_request(StatePtr state, http::Request& request, house::Rights needs);

// admin_token.cpp
/// Reads the token from `folder`/admin.token, or makes it (mode 0600, all or nothing).
Result<Secret> read_or_make_admin_token(const std::string& folder);

// JSON
/// Bytes of a text in a request's body; whatever it is has narrower rules of its own.
inline constexpr std::size_t kLongestField = 16 * 1024;
boost::json::value time_json(TimePoint time);
boost::json::value team_json(const std::string& id, const std::string& name);
boost::json::array scopes_json(unsigned scopes);
/// Every role that `role` includes, the least first.
boost::json::array roles_json(Role role);
asio::awaitable<boost::json::object> me_json(StatePtr state, Principal principal);
http::Response json_answer(int status, const boost::json::object& body);

// http_sign_in.cpp, http_me.cpp, http_users.cpp
void add_session_routes(StatePtr state, house::Routes& routes);
void add_me_routes(StatePtr state, house::Routes& routes);
void add_user_routes(StatePtr state, house::Routes& routes);
void add_oidc_routes(StatePtr state, house::Routes& routes);
void add_account_routes(StatePtr state, house::Routes& routes);
void add_team_routes(StatePtr state, house::Routes& routes);
void add_my_session_routes(StatePtr state, house::Routes& routes);
using Answer = asio::awaitable<Result<http::Response>> (*)(StatePtr, http::Request);
void add_route(StatePtr state, house::Routes& routes, std::string method, std::string pattern, house::Rights rights,
               house::Limits limits, Answer answer);

}  // namespace tiltyard::identity
