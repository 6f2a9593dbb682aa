// What comes back from an OpenID provider. The body is made by the callback (http_oidc.cpp): the provider's name, the
// code, and the nonce and verifier that the browser's sealed cookie has kept.
#include "identity/oidc.h"
#include "identity/secrets.h"
#include "identity/strategy.h"

namespace tiltyard::identity {
namespace {

class OidcStrategy final : public Strategy {
 public:
  explicit OidcStrategy(const OidcProviders& providers) : providers_(providers) {}

  std::string_view name() const override { return "oidc"; }

  asio::awaitable<Result<Admission>> check(SignInRequest request) override {
    std::map<std::string, std::string> fields;
    for (const auto* field : {"provider", "code", "nonce", "verifier", "redirect", "state"}) {
      auto text = text_field(request.body, field);
      if (!text) co_return fail(std::move(text.error()));
      fields[field] = std::move(*text);
    }
    const auto found = providers_.find(fields["provider"]);
    if (found == providers_.end()) co_return fail(Code::kNotFound, "provider-unknown", "There is no such sign-in provider.");
    auto& provider = *found->second;
    auto tokens = co_await provider.exchange(fields["code"], fields["verifier"], fields["redirect"]);
    if (!tokens) co_return fail(std::move(tokens.error()));
    const auto access_token = tokens->access_token;
    auto claims = co_await provider.believe(std::move(*tokens), fields["nonce"]);
    if (!claims) co_return fail(std::move(claims.error()));
    if (oidc::lacks(*claims, provider.options())) {
      auto subject = std::string(claims->at("sub").as_string());
      auto more = co_await provider.userinfo(access_token, std::move(subject));
      if (!more) co_return fail(std::move(more.error()));
      for (auto& [name, value] : *more) {
        if (!claims->contains(name)) claims->emplace(name, value);
      }
    }
    co_return admit(outside_of(*claims, provider), fields["state"], request.now);
  }

 private:
  static sql::Outside outside_of(const boost::json::object& claims, const oidc::Provider& provider) {
    auto person = oidc::person_of(claims, provider.options());
    sql::Outside who{"oidc:" + provider.options().issuer, person.subject, person.name, person.email, person.role, {}};
    if (person.team) {
      who.team.emplace();
      if (*person.team) who.team->emplace(sql::OutsideTeam{(*person.team)->name, (*person.team)->subject});
    }
    return who;
  }

  static Admission admit(sql::Outside who, const std::string& state, TimePoint now) {
    Admission admission;
    admission.admit = [who = std::move(who), hash = fingerprint(state), now](soci::session& session) -> Result<sql::User> {
      // In the same transaction as the session: of two who bring the same answer one gets in.
      if (!sql::use_state(session, hash, now, now + oidc::kFlowFor)) {
        return fail(Code::kUnauthenticated, "oidc-state", "This sign-in has been used already. Begin again.", "replayed");
      }
      return sql::admit_outside(session, who, now);
    };
    return admission;
  }

  const OidcProviders& providers_;
};

}  // namespace

std::unique_ptr<Strategy> oidc_strategy(const OidcProviders& providers) { return std::make_unique<OidcStrategy>(providers); }

}  // namespace tiltyard::identity
