// What the configuration says of people and how they sign in.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "config/keys.h"
#include "identity/identity.h"
#include "identity/jwt.h"

namespace tiltyard::identity {
namespace {

namespace form = config::form;
using namespace std::chrono_literals;
using Mapping = std::map<std::string, std::string>;

constexpr std::array<std::string_view, 5> kStrategies = {"local", "token", "address", "ctfd", "oidc"};

constexpr config::Form kStrategy{
    .takes = "a list of \"local\", \"token\", \"address\", \"ctfd\" and \"oidc\"",
    .fits = [](std::string_view item) { return std::ranges::find(kStrategies, item) != kStrategies.end(); }};

/// TLS, or a provider on this very machine (for development and tests).
bool is_issuer(std::string_view url) {
  if (!config::is_web_url(url) || url.contains('?') || url.contains('#')) return false;
  if (url.starts_with("https://")) return true;
  auto host = url.substr(7);
  host = host.substr(0, host.find('/'));
  host = host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  return host == "127.0.0.1" || host == "[::1]" || host == "localhost";
}

constexpr config::Form kIssuer{.takes = "the provider's https:// address (http:// only on this machine)",
                               .fits = is_issuer};

constexpr config::Form kAlgorithm{
    .takes = "a list of algorithms, such as \"RS256\"",
    .fits = [](std::string_view item) { return jwt::known_algorithm(item) || jwt::is_shared_secret(item); }};

bool is_role(const std::string& text) { return parse_role(text).has_value(); }

/// A list of "VALUE=MEANING".
config::Value mapping(Mapping& into, std::string takes, bool (*good)(const std::string& meaning)) {
  config::Value value;
  value.takes = std::move(takes);
  value.put = [&into, good](const config::Raw& raw) -> config::Problem {
    const auto* items = std::get_if<std::vector<std::string>>(&raw);
    if (items == nullptr) return std::string();
    Mapping read;
    for (const auto& item : *items) {
      const auto equals = item.rfind('=');
      if (equals == std::string::npos || equals == 0 || equals + 1 == item.size()) return std::string();
      auto meaning = item.substr(equals + 1);
      if (!good(meaning)) return std::string();
      read[item.substr(0, equals)] = std::move(meaning);
    }
    into = std::move(read);
    return std::nullopt;
  };
  value.shown = [&into] {
    std::vector<std::string> items;
    for (const auto& [from, to] : into) items.push_back(from + "=" + to);
    return config::list_text(items);
  };
  value.from_variable = [](const std::string& text) -> config::Raw { return config::split(text, ','); };
  return value;
}

void declare_provider(config::Section& keys, OidcProvider& provider) {
  keys.text("title", provider.title, form::kAny, "On the button of the sign-in page; empty: the name.")
      .text("issuer", provider.issuer, kIssuer, "The provider's address.")
      .text("client_id", provider.client_id, form::kAny, "What this server is to the provider.")
      .secret("client_secret", provider.client_secret, 1, "Empty: a public client.")
      .text("tls_ca", provider.tls_ca, form::kPath,
            "PEM file with the authority that the provider's certificate must come from; empty: the system's.")
      .texts("scopes", provider.scopes, form::kWords, "What is asked for; \"openid\" is among it.")
      .texts(
          "algorithms", provider.algorithms, kAlgorithm,
          "What ID tokens may be signed with. Empty: what the provider says that it uses, of RS256, RS384, RS512, the "
          "same of PS and ES, and EdDSA. HS256, HS384 and HS512 take client_secret for their key and are accepted "
          "only if they are named here.")
      .text("name_claim", provider.name_claim, form::kAny, "The claim that is somebody's name here.")
      .text("role_claim", provider.role_claim, form::kAny, "The claim that decides on roles; empty: none does.")
      .own("roles",
           mapping(provider.roles, "a list of \"VALUE=ROLE\" with the roles player, author, operator and admin",
                   is_role),
           "The role for each value of that claim.")
      .text("team_claim", provider.team_claim, form::kAny, "The claim that decides on teams; empty: none does.")
      .own("teams", mapping(provider.teams, "a list of \"VALUE=TEAM\"", [](const std::string&) { return true; }),
           "The team for each value of that claim; empty: the value is the team's name.");
}

void check_provider(const std::string& name, OidcProvider& provider, config::Problems& problems) {
  const auto path = "auth.oidc." + name;
  if (provider.title.empty()) provider.title = name;
  problems.expect(is_issuer(provider.issuer), fmt::format("{}.issuer must be {}.", path, kIssuer.takes));
  problems.expect(!provider.client_id.empty(), path + ".client_id is missing.");
  problems.expect(std::ranges::find(provider.scopes, "openid") != provider.scopes.end(),
                  path + ".scopes must have \"openid\" in it.");
  problems.expect(!provider.client_secret.empty() || std::ranges::none_of(provider.algorithms, jwt::is_shared_secret),
                  path + ".algorithms has one that needs a client_secret.");
  problems.expect(provider.roles.empty() || !provider.role_claim.empty(), path + ".roles needs a role_claim.");
  problems.expect(provider.teams.empty() || !provider.team_claim.empty(), path + ".teams needs a team_claim.");
}

void declare_ways(config::Section& keys, Options& options) {
  using Days = std::chrono::days;
  keys.texts(
          "strategies", options.strategies, kStrategy,
          "How people sign in: \"local\" (name and password), \"token\" (API tokens), \"address\" (whoever comes from "
          "the hall's networks is known by the address alone), \"ctfd\" (access tokens of the CTFd at ctfd_url), "
          "\"oidc\" (the OpenID providers below).")
      .number("session_days",
              {[&options] { return std::chrono::floor<Days>(options.session_length).count(); },
               [&options](std::int64_t days) { options.session_length = Days(days); }},
              1, 365, "Days after which a session ends.")
      .time("proof_for", options.proof_for, 1s, 24h,
            "How long after a sign-in one's own sessions, tokens, password and address may be changed without showing "
            "once more who one is.")
      .number("password_min", options.password_min, 8, 128, "Characters that a password has at least.")
      .texts("hall", options.hall, form::kNetworks,
             "Networks whose addresses may use the address strategy; empty: private and loopback ones.")
      .choice(
          "registration", options.registration,
          {{"off", Registration::kOff}, {"invite", Registration::kInvite}, {"open", Registration::kOpen}},
          "Who may make an account: nobody (\"off\"), who has an invitation's code (\"invite\"), everybody (\"open\").")
      .number("accounts_per_address", options.accounts_per_address, 1, 100'000,
              "Accounts that may be made without an invitation from one address (IPv6: a /64) and be there at the same "
              "time. Times labs.instances_per_owner, it is what one address gets of the range.")
      .flag("confirm_mail", options.confirm_mail,
            "Whether an account that is made without an invitation is there only when the link of a letter was used; "
            "where letters can be sent.")
      .choice("teams", options.teams, {{"auto", TeamMode::kAuto}, {"on", TeamMode::kOn}, {"off", TeamMode::kOff}},
              "Whether instances, flags and limits belong to teams. \"auto\": while anybody is in a team, put there by "
              "staff or by the way of signing in. Who has no team then is told so.");
}

void declare_others(config::Section& keys, Options& options) {
  using Admins = std::optional<Role>;
  keys.text("ctfd_url", options.ctfd_url, form::kUrl, "Where the CTFd is whose access tokens are believed.")
      .secret(
          "ctfd_token", options.ctfd_token, 16,
          "An access token of an administrator of that CTFd, only to ask whether it plays in teams; without it that "
          "is told from what players may see.")
      .choice<Admins>(
          "ctfd_admins", options.ctfd_admins,
          {{"off", Admins()}, {"author", Role::kAuthor}, {"operator", Role::kOperator}, {"admin", Role::kAdmin}},
          "The role here of that CTFd's administrators; everybody else who comes from it is a player then, at "
          "every sign-in. \"off\": the CTFd says nothing about roles.")
      .tables<OidcProvider>("oidc", options.oidc, declare_provider, check_provider,
                            "OpenID Connect providers, a section each: [auth.oidc.NAME], with issuer and client_id at "
                            "least. As a variable: NAME.issuer=https://...;NAME.client_id=...");
}

void check(const Options& options, config::Problems& problems) {
  problems.expect(!options.strategies.empty(), "auth.strategies is empty: nobody could sign in.");
  std::set<std::string> seen;
  for (const auto& strategy : options.strategies)
    problems.expect(seen.insert(strategy).second, fmt::format("auth.strategies names \"{}\" twice.", strategy));
  problems.expect(seen.contains("address") || options.hall.empty(),
                  "auth.hall is given, but auth.strategies does not have \"address\".");
  problems.expect(seen.contains("ctfd") == !options.ctfd_url.empty(),
                  "auth.ctfd_url and \"ctfd\" in auth.strategies belong together: give both or neither.");
  problems.expect(
      seen.contains("oidc") == !options.oidc.empty(),
      "A provider in [auth.oidc.NAME] and \"oidc\" in auth.strategies belong together: give both or neither.");
}

}  // namespace

void declare_keys(config::Keys& keys, Options& options) {
  keys.section("admin", "The operator's own access.")
      .secret("token", options.admin_token, 16,
              "A bearer token with every right. Empty: one is made at the first start and kept in the data folder.");
  auto auth = keys.section("auth", "How people sign in.");
  declare_ways(auth, options);
  declare_others(auth, options);
  keys.afterwards([&options](config::Problems& problems) { check(options, problems); });
}

}  // namespace tiltyard::identity
