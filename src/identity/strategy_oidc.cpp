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
    for (const auto* field : {"provider", "code", "nonce", "verifier", "redirect", "state", "again_since"}) {
      auto text = text_field(request.body, field);
      if (!text) co_return fail(std::move(text.error()));
      fields[field] = std::move(*text);
    }
    const auto found = providers_.find(fields["provider"]);
    if (found == providers_.end())
      co_return fail(Code::kNotFound, "provider-unknown", "There is no such sign-in provider.");
    auto& provider = *found->second;
    auto tokens = co_await provider.exchange(fields["code"], fields["verifier"], fields["redirect"]);
    if (!tokens) co_return fail(std::move(tokens.error()));
    const auto access_token = tokens->access_token;
    auto claims = co_await provider.believe(std::move(*tokens), fields["nonce"]);
    if (!claims) co_return fail(std::move(claims.error()));
    const auto proved = proved_at(*claims, fields["again_since"]);
    if (!proved) co_return fail(proved.error());
    if (oidc::lacks(*claims, provider.options())) {
      auto subject = std::string(claims->at("sub").as_string());
      auto more = co_await provider.userinfo(access_token, std::move(subject));
      if (!more) co_return fail(std::move(more.error()));
      for (auto& [name, value] : *more) {
        if (!claims->contains(name)) claims->emplace(name, value);
      }
    }
    auto admission = admit(outside_of(*claims, provider), fields["state"], request.now);
    admission.proved = *proved;
    co_return admission;
  }

 private:
  /// When the provider has asked for a proof: a session there may be days old. kNever where it does not say.
  /// `again_since`, if there is one, is when it was told to ask (in microseconds); an answer from before is refused
  /// (with a minute for its clock).
  static Result<TimePoint> proved_at(const boost::json::object& claims, const std::string& again_since) {
    const auto* said = claims.if_contains("auth_time");
    const bool known =
        said != nullptr && said->is_int64() && said->get_int64() > 0 && said->get_int64() < 253'402'300'800;
    const auto at = known ? from_micros(said->get_int64() * 1'000'000) : sql::kNever;
    if (again_since.empty() || at + std::chrono::minutes{1} >= from_micros(std::stoll(again_since))) return at;
    return fail(Code::kUnauthenticated, "oidc-not-asked",
                "The provider let you through without asking who you are. Sign out there first, or ask the staff.");
  }

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
    admission.admit = [who = std::move(who), hash = fingerprint(state),
                       now](soci::session& session) -> Result<sql::User> {
      // In the same transaction as the session: of two who bring the same answer one gets in.
      if (!sql::use_state(session, hash, now, now + oidc::kFlowFor)) {
        return fail(Code::kUnauthenticated, "oidc-state", "This sign-in has been used already. Begin again.",
                    "replayed");
      }
      return sql::admit_outside(session, who, now);
    };
    return admission;
  }

  const OidcProviders& providers_;
};

}  // namespace

std::unique_ptr<Strategy> oidc_strategy(const OidcProviders& providers) {
  return std::make_unique<OidcStrategy>(providers);
}

}  // namespace tiltyard::identity
