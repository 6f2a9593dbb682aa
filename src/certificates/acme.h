#pragma once

#include <boost/asio/awaitable.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "certificates/jose.h"

namespace boost::json {
class object;
class value;
}  // namespace boost::json
namespace tiltyard::http {
class Client;
struct Response;
}  // namespace tiltyard::http

/// The protocol of certificate authorities (RFC 8555), with renewal information (RFC 9773) and profiles
/// (draft-ietf-acme-profiles).
namespace tiltyard::certificates::acme {

namespace asio = boost::asio;

/// Reasons that callers decide by; others are "acme-" and the problem's type.
namespace reason {
inline constexpr char kAway[] = "acme-away";      ///< nobody answers, or too late
inline constexpr char kAnswer[] = "acme-answer";  ///< what came is not the protocol
inline constexpr char kLimited[] = "acme-rate-limited";
inline constexpr char kBadNonce[] = "acme-bad-nonce";  ///< again and again
inline constexpr char kNoAccount[] = "acme-account-does-not-exist";
inline constexpr char kReplaced[] = "acme-already-replaced";
inline constexpr char kNotReady[] = "acme-order-not-ready";
inline constexpr char kGone[] = "acme-gone";  ///< the order, or whatever it was, is not there (any more)
}  // namespace reason

/// Seconds that the CA asks to wait, in an error's fields; a whole number.
inline constexpr char kRetryAfter[] = "retry_after";

struct Directory {
  std::string new_nonce, new_account, new_order, renewal_info;
  std::vector<std::string> profiles;
  bool external_account_required = false;
};

struct Account {
  std::string contact;  ///< an address; empty: none is given
  std::string eab_kid;
  Secret eab_key;
};

enum class Status { kPending, kReady, kProcessing, kValid, kInvalid };

struct Order {
  std::string url;
  Status status = Status::kPending;
  std::vector<std::string> authorizations;
  std::string finalize, certificate;
  std::optional<Error> error;
  std::chrono::seconds retry_after{};  ///< 0: not said
};

struct Challenge {
  std::string type, url, token;
  Status status = Status::kPending;
  std::optional<Error> error;
};

struct Authorization {
  std::string url, name;  ///< without the "*."
  bool wildcard = false;
  Status status = Status::kPending;  ///< deactivated, expired and revoked are kInvalid
  std::vector<Challenge> challenges;
  std::chrono::seconds retry_after{};

  const Challenge* find(std::string_view type) const;
};

struct RenewalInfo {
  TimePoint start{}, end{};
  std::chrono::seconds retry_after{};  ///< when to ask again; 0: not said
};

struct NewOrder {
  std::vector<std::string> names;
  std::string profile;   ///< empty: the CA's own choice
  std::string replaces;  ///< RFC 9773, 5; empty: none
};

/// One CA, seen with one account. Lives on one loop; one call at a time for each order, any number side by side.
/// Everything that comes is bounded; every call has a deadline.
class Client {
 public:
  /// `invalid-address` unless the directory is an https URL.
  static Result<std::unique_ptr<Client>> make(std::string directory, std::string ca_file, AccountKey key);
  ~Client();

  asio::awaitable<Result<Directory>> directory();
  /// Makes the account, or finds the one that the key has; its URL. `acme-external-account-required` when the CA wants
  /// one that is bound and there is nothing to bind it to.
  asio::awaitable<Result<std::string>> open_account(Account account);
  /// An account that is known from before.
  void use_account(std::string url);
  bool has_account() const { return !kid_.empty(); }
  const AccountKey& key() const { return key_; }

  asio::awaitable<Result<Order>> new_order(NewOrder wanted);
  asio::awaitable<Result<Order>> order(std::string url);
  asio::awaitable<Result<Authorization>> authorization(std::string url);
  asio::awaitable<Result<>> start_challenge(std::string url);
  asio::awaitable<Result<>> deactivate(std::string authorization_url);
  asio::awaitable<Result<>> finalize(Order order, std::string request_der);
  /// The chain, the CA's first choice; alternative roots are not asked for.
  asio::awaitable<Result<std::string>> download(std::string url);
  /// nullopt: the CA has none of it.
  asio::awaitable<Result<std::optional<RenewalInfo>>> renewal_info(std::string ari_id);

 private:
  Client(std::string directory, std::string ca_file, AccountKey key);
  http::Client& client_of(const std::string& origin);
  asio::awaitable<Result<http::Response>> send(std::string method, std::string url, std::string body);
  asio::awaitable<Result<std::string>> nonce();
  asio::awaitable<Result<http::Response>> post(std::string url, std::string payload);
  asio::awaitable<Result<http::Response>> post(std::string url, std::string payload, bool with_key);

  std::string directory_url_, ca_file_;
  AccountKey key_;
  std::string kid_;
  std::optional<Directory> directory_;
  std::deque<std::string> nonces_;
  std::map<std::string, std::unique_ptr<http::Client>> clients_;  ///< by origin
};

/// A problem document (RFC 9457; RFC 8555, 6.7) as an Error: what the CA says in words for people, with what is wrong
/// for which name. Bounded and without control characters, whatever came.
Error error_of(const boost::json::value& problem, int status);

}  // namespace tiltyard::certificates::acme
