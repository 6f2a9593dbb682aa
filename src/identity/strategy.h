#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "identity/address.h"
#include "identity/attempts.h"
#include "identity/device.h"
#include "identity/hasher.h"
#include "identity/store.h"

namespace tiltyard::identity {

class Ctfd;
namespace oidc {
class Provider;
}
using OidcProviders = std::map<std::string, std::shared_ptr<oidc::Provider>>;

/// What POST /session brought.
struct SignInRequest {
  boost::json::object body;
  std::optional<asio::ip::address> address;  ///< who is really asking; nullopt: not to be found out
  std::optional<Devices::Device> device;     ///< a browser that somebody has signed in with before
  TimePoint now;
};

/// What a strategy has made sure of, and what is left to do in the transaction that opens the session.
struct Admission {
  /// Finds, or makes, who it is; an error undoes the whole sign-in.
  std::function<Result<sql::User>(soci::session&)> admit;
  std::string token_id;                 ///< the session ends with this token
  std::string scopes;                   ///< and may do no more than it; empty: all
  TimePoint ends = TimePoint::max();    ///< the session ends no later
  TimePoint proved = TimePoint::max();  ///< when who it is was shown, where that was not now; kNever: nobody says
};

/// One way of signing in. Each is one file; the list is made in make_strategies().
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// What "strategy" in POST /session names, and what auth.strategies switches on.
  virtual std::string_view name() const = 0;
  virtual asio::awaitable<Result<Admission>> check(SignInRequest request) = 0;
};

std::unique_ptr<Strategy> local_strategy(store::Store& store, Hasher& hasher, Attempts& attempts,
                                         Attempts& name_failures, const Devices& devices);
std::unique_ptr<Strategy> token_strategy(store::Store& store, const Secret& admin_token);
std::unique_ptr<Strategy> address_strategy(const Networks& hall);
std::unique_ptr<Strategy> link_strategy(const Secret& admin_token, const Options& options);
std::unique_ptr<Strategy> ctfd_strategy(Ctfd& ctfd, Attempts& attempts);
std::unique_ptr<Strategy> oidc_strategy(const OidcProviders& providers);

/// `credentials-wrong`: one answer for every reason, so that it tells nothing.
std::unexpected<Error> credentials_wrong(std::string cause);
/// A text field of the body; `invalid-body` when it is not there or not a text.
Result<std::string> text_field(const boost::json::object& body, std::string_view name);

/// The row and the principal behind the admin token.
sql::User service_user();
inline constexpr std::string_view kServiceId = "admin-token";
/// What stands in sessions.token_id for the admin token: a new token ends the old one's sessions.
std::string admin_token_id(const Secret& admin_token);

/// The id of the seat at an address: the same seat gets the same instances.
std::string seat_id(const asio::ip::address& address);

}  // namespace tiltyard::identity
