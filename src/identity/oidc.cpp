// The sealed cookie, and what claims mean.
#include "identity/oidc.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "base/json.h"
#include "identity/sealed.h"
#include "identity/secrets.h"

namespace tiltyard::identity::oidc {
namespace {

namespace json = boost::json;

constexpr std::string_view kPurpose = "tiltyard oidc flow 1";

std::unexpected<Error> bad_state(std::string cause) {
  return fail(Code::kUnauthenticated, "oidc-state",
              "This sign-in was not begun in this browser, or too long ago. Begin again.", std::move(cause));
}

/// A dot goes into objects ("realm_access.roles"), and is part of a name ("resource_access.range.example.roles" of the
/// client "range.example"): at each level the longest name that leads somewhere.
const json::value* find_claim(const json::object& claims, std::string_view path) {
  if (const auto* whole = claims.if_contains(path)) return whole;
  for (auto dot = path.rfind('.'); dot != std::string_view::npos && dot > 0; dot = path.rfind('.', dot - 1)) {
    const auto* inner = claims.if_contains(path.substr(0, dot));
    if (inner == nullptr || !inner->is_object()) continue;
    if (const auto* found = find_claim(inner->get_object(), path.substr(dot + 1))) return found;
  }
  return nullptr;
}

/// The values of a claim: a text, a whole number or a truth is one, a list several.
std::vector<std::string> values_of(const json::object& claims, const std::string& name) {
  const auto* value = find_claim(claims, name);
  std::vector<std::string> values;
  if (value == nullptr) return values;
  const auto add = [&values](const json::value& one) {
    if (one.is_string()) values.emplace_back(one.get_string());
    // A number of matriculation, a flag such as "is_staff".
    if (one.is_int64() || one.is_bool()) values.push_back(json::serialize(one));
  };
  add(*value);
  if (const auto* list = value->if_array()) std::ranges::for_each(*list, add);
  return values;
}

}  // namespace

Flow new_flow(std::string provider, std::string back, bool again, TimePoint now) {
  return {std::move(provider),
          new_random_value().reveal(),
          new_random_value().reveal(),
          new_random_value().reveal(),
          safe_path(back),
          now + kFlowFor,
          again};
}

std::string seal(const Flow& flow, const Secret& master) {
  const auto text = json::serialize(json::object{{"p", flow.provider},
                                                 {"s", flow.state},
                                                 {"n", flow.nonce},
                                                 {"v", flow.verifier},
                                                 {"b", flow.back},
                                                 {"e", to_micros(flow.ends)},
                                                 {"a", flow.again}});
  return identity::seal(text, master, kPurpose);
}

Result<Flow> unseal(std::string_view sealed, const Secret& master, TimePoint now) {
  const auto text = identity::unseal(sealed, master, kPurpose);
  if (!text) return bad_state("no cookie of a sign-in, or not of ours");
  boost::system::error_code error;
  const auto value = json::parse(*text, error);
  if (error || !value.is_object()) return bad_state("the cookie has no object in it");
  const auto& object = value.get_object();
  const auto* ends = object.if_contains("e");
  Flow flow{text_of(object, "p"),
            text_of(object, "s"),
            text_of(object, "n"),
            text_of(object, "v"),
            safe_path(text_of(object, "b")),
            {},
            false};
  if (const auto* again = object.if_contains("a")) flow.again = again->is_bool() && again->get_bool();
  if (ends != nullptr && ends->is_int64()) flow.ends = from_micros(ends->get_int64());
  if (now >= flow.ends) return bad_state("begun too long ago");
  return flow;
}

std::string safe_path(std::string_view wanted) {
  // "//host" and "/\host" are other sites to a browser; a control character may be dropped by it.
  const bool ours = wanted.starts_with('/') && !wanted.starts_with("//") && wanted.size() <= 500 &&
                    std::ranges::all_of(wanted, [](unsigned char c) { return c > 0x20 && c < 0x7F && c != '\\'; });
  return ours ? std::string(wanted) : "/";
}

bool lacks(const json::object& claims, const OidcProvider& options) {
  for (const auto& name : {options.name_claim, options.role_claim, options.team_claim}) {
    if (!name.empty() && values_of(claims, name).empty()) return true;
  }
  return false;
}

Person person_of(const json::object& claims, const OidcProvider& options) {
  Person person;
  person.subject = text_of(claims, "sub");
  // Some providers write the truth as a text.
  const auto* verified = claims.if_contains("email_verified");
  if (verified != nullptr && (*verified == json::value(true) || *verified == json::value("true")))
    person.email = text_of(claims, "email");
  const auto names = values_of(claims, options.name_claim);
  person.name = names.empty() ? text_of(claims, "name") : names.front();
  if (!options.role_claim.empty()) {
    person.role = Role::kPlayer;
    for (const auto& value : values_of(claims, options.role_claim)) {
      const auto mapped = options.roles.find(value);
      if (mapped == options.roles.end()) continue;
      const auto role = parse_role(mapped->second);
      if (role) person.role = std::max(*person.role, *role);
    }
  }
  if (!options.team_claim.empty()) {
    person.team = std::optional<Person::Team>();
    for (const auto& value : values_of(claims, options.team_claim)) {
      const auto mapped = options.teams.find(value);
      if (!options.teams.empty() && mapped == options.teams.end()) continue;
      person.team = options.teams.empty() ? Person::Team{value, value} : Person::Team{mapped->second, {}};
      break;
    }
  }
  return person;
}

}  // namespace tiltyard::identity::oidc
