#include "app/people.h"

namespace tiltyard::app {
namespace {

identity::OidcProvider provider_of(const config::OidcProvider& from) {
  identity::OidcProvider provider;
  provider.title = from.title;
  provider.issuer = from.issuer;
  provider.client_id = from.client_id;
  provider.client_secret = from.client_secret;
  provider.tls_ca = from.tls_ca;
  provider.scopes = from.scopes;
  provider.name_claim = from.name_claim;
  provider.role_claim = from.role_claim;
  provider.team_claim = from.team_claim;
  provider.roles = from.roles;
  provider.teams = from.teams;
  return provider;
}

}  // namespace

identity::Options identity_options(const config::Settings& from, Records& records) {
  identity::Options options;
  options.note = [events = records.events.get()](bus::Event event) { events->note(std::move(event)); };
  if (records.notices && records.notices->has_mail()) {
    options.mail = [notices = records.notices.get()](identity::Letter letter) {
      return notices->mail({std::move(letter.to), std::move(letter.subject), std::move(letter.text)});
    };
  }
  options.strategies = from.auth.strategies;
  options.registration = static_cast<identity::Registration>(from.auth.registration);
  options.teams = static_cast<identity::TeamMode>(from.auth.teams);
  options.ctfd_url = from.auth.ctfd_url;
  options.ctfd_token = from.auth.ctfd_token;
  if (from.auth.ctfd_admins != config::CtfdAdmins::kOff)
    options.ctfd_admins = static_cast<identity::Role>(from.auth.ctfd_admins);
  for (const auto& [name, provider] : from.auth.oidc) options.oidc.emplace(name, provider_of(provider));
  options.session_length = std::chrono::hours{24 * from.auth.session_days};
  options.proof_for = from.auth.proof_for;
  options.data_folder = from.data.path;
  options.admin_token = from.admin.token;
  options.trusted_proxies = from.server.trusted_proxies;
  options.hall = from.auth.hall;
  options.password_min = from.auth.password_min;
  options.version = TILTYARD_VERSION;
  options.public_url = from.server.public_url;
  const int most = from.labs.instances_per_owner;
  options.limits = [most](const identity::Principal&) { return identity::Limits{most, most}; };
  return options;
}

}  // namespace tiltyard::app
