#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "identity/egress.h"
#include "identity/identity.h"
#include "identity/jwt.h"

/// OpenID Connect as a relying party: authorisation code with PKCE (RFC 7636), discovery (OpenID Connect
/// Discovery 1.0), key rotation, issuer identification (RFC 9207).
namespace tiltyard::identity::oidc {

namespace asio = boost::asio;

constexpr Duration kFlowFor = std::chrono::minutes{10};

/// One sign-in that is under way. It travels in a sealed cookie of the browser that began it, so that nobody else's
/// browser can end it and a flood of beginnings costs the server nothing.
struct Flow {
  std::string provider, state, nonce, verifier, back;
  TimePoint ends;
  bool again = false;  ///< the provider was told to ask who it is, and has to say when it did

  TimePoint began() const { return ends - kFlowFor; }
};

Flow new_flow(std::string provider, std::string back, bool again, TimePoint now);
/// Authenticated encryption (libsodium secretbox) under a key that is made from the admin token: servers that share the
/// token share their sign-ins.
std::string seal(const Flow& flow, const Secret& master);
/// `oidc-state`: forged, of another server, or too old.
Result<Flow> unseal(std::string_view sealed, const Secret& master, TimePoint now);

/// Where to go after the sign-in: a path of our own, else "/".
std::string safe_path(std::string_view wanted);

struct Metadata {
  std::string authorization, token, keys, userinfo;
  bool iss_in_answer = false;           ///< the provider promises `iss` (RFC 9207)
  bool basic = true;                    ///< client_secret_basic, else client_secret_post
  std::vector<std::string> algorithms;  ///< that it signs ID tokens with; empty: it does not say
};

struct Tokens {
  std::string id_token, access_token;
};

/// One provider: what it says of itself (believed for an hour) and its keys. Lives on the home loop.
class Provider {
 public:
  /// `reach`: where it may be when it names other hosts than its issuer's, which our configuration does.
  Provider(std::string name, OidcProvider options, const Clock& clock, net::Reach reach)
      : name_(std::move(name)), options_(std::move(options)), clock_(clock), reach_(std::move(reach)) {}

  const std::string& name() const { return name_; }
  const OidcProvider& options() const { return options_; }

  /// `oidc-unavailable` when it does not answer or says something else than it should.
  asio::awaitable<Result<Metadata>> metadata();
  /// The code for tokens. `token-invalid` when the provider refuses it: replayed, of another client, too old.
  asio::awaitable<Result<Tokens>> exchange(std::string code, std::string verifier, std::string redirect);
  /// The claims of a token that is genuine.
  asio::awaitable<Result<boost::json::object>> believe(Tokens tokens, std::string nonce);
  /// The claims of the user info end point, of the same subject; empty where there is none.
  asio::awaitable<Result<boost::json::object>> userinfo(std::string access_token, std::string subject);

 private:
  asio::awaitable<Result<Metadata>> read_metadata();
  /// Not older than that.
  asio::awaitable<Result<Metadata>> metadata_since(Duration oldest);
  asio::awaitable<Result<>> read_keys();
  asio::awaitable<Result<jwt::Key>> key_for(std::string id, std::string algorithm);
  const jwt::Key* find_key(const std::string& id, const std::string& algorithm) const;
  bool accepts(const std::string& algorithm, const Metadata& known) const;
  asio::awaitable<Result<>> check_signature(const jwt::Token& token);
  asio::awaitable<Result<boost::json::object>> open_user_info(std::string text);
  void warn(std::string_view what, std::string cause) const;
  asio::awaitable<Result<egress::Answer>> ask(egress::Ask ask);

  std::string name_;
  OidcProvider options_;
  const Clock& clock_;
  const net::Reach reach_;
  egress::Breaker breaker_;
  egress::SingleFlight flights_;
  Metadata metadata_;
  TimePoint metadata_at_{}, keys_at_{};
  std::vector<jwt::Key> keys_;
};

/// What our configuration makes of a provider's claims.
struct Person {
  std::string subject, name, email;
  std::optional<Role> role;  ///< only where roles are mapped
  struct Team {
    std::string name;
    std::string subject;  ///< the claim's value; empty where our configuration names the team
  };
  std::optional<std::optional<Team>> team;  ///< only where a team claim is named; the inner nullopt: none
};
/// Whether the claims lack something that user info may have.
bool lacks(const boost::json::object& claims, const OidcProvider& options);
Person person_of(const boost::json::object& claims, const OidcProvider& options);

}  // namespace tiltyard::identity::oidc
