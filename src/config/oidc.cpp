#include "config/oidc.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "config/forms.h"

namespace tiltyard::config {
namespace {

using Items = std::vector<std::string>;

constexpr std::array<std::string_view, 4> kRoles = {"player", "author", "operator", "admin"};

/// TLS, or a provider on this very machine (for development and tests).
bool is_issuer(const std::string& url) {
  if (!is_web_url(url) || url.contains('?') || url.contains('#')) return false;
  if (url.starts_with("https://")) return true;
  auto host = url.substr(7);
  host = host.substr(0, host.find('/'));
  host = host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  return host == "127.0.0.1" || host == "[::1]" || host == "localhost";
}

/// The text of a key that takes one; a comma in a variable has cut it apart.
std::string joined(const Items& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + item;
  return out;
}

/// "VALUE=MEANING" lines; false where one has no equals sign or nothing on a side of it.
bool read_mapping(const Items& items, std::map<std::string, std::string>& mapping) {
  mapping.clear();
  for (const auto& item : items) {
    const auto equals = item.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == item.size()) return false;
    mapping[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return true;
}

Items mapping_items(const std::map<std::string, std::string>& mapping) {
  Items items;
  for (const auto& [value, meaning] : mapping) items.push_back(value + "=" + meaning);
  return items;
}

/// Puts one key; what is wrong with it, or nothing.
Problem put_key(OidcProvider& provider, const std::string& name, const std::string& key, const Items& items) {
  const std::map<std::string_view, std::string*> texts = {
      {"title", &provider.title},           {"issuer", &provider.issuer},
      {"client_id", &provider.client_id},   {"client_secret_file", &provider.client_secret_file},
      {"tls_ca", &provider.tls_ca},         {"name_claim", &provider.name_claim},
      {"role_claim", &provider.role_claim}, {"team_claim", &provider.team_claim}};
  const auto full = fmt::format("auth.oidc.{}.{}", name, key);
  if (const auto text = texts.find(key); text != texts.end()) {
    *text->second = joined(items);
    if (text->second->contains('\n')) return full + " has a line break in it.";
  } else if (key == "client_secret") {
    provider.client_secret = Secret(joined(items));
  } else if (key == "scopes") {
    provider.scopes = items;
    if (std::ranges::find(items, "openid") == items.end()) return full + " must have \"openid\" in it.";
  } else if (key == "roles") {
    const auto known = [](const auto& entry) { return std::ranges::find(kRoles, entry.second) != kRoles.end(); };
    if (!read_mapping(items, provider.roles) || !std::ranges::all_of(provider.roles, known)) {
      return full + " is a list of \"VALUE=ROLE\" with the roles player, author, operator and admin.";
    }
  } else if (key == "teams") {
    if (!read_mapping(items, provider.teams)) return full + " is a list of \"VALUE=TEAM\".";
  } else {
    Items known = {"client_secret", "scopes", "roles", "teams"};
    for (const auto& [each, where] : texts) known.emplace_back(each);
    const auto guess = nearest(key, known);
    return fmt::format("There is no key {}.{}", full, guess ? " Did you mean " + *guess + "?" : "");
  }
  return std::nullopt;
}

Problem complete(const OidcProvider& provider, const std::string& name) {
  if (!is_issuer(provider.issuer)) {
    return fmt::format("auth.oidc.{}.issuer must be the provider's https:// address (http:// only on this machine).",
                       name);
  }
  if (provider.client_id.empty()) return fmt::format("auth.oidc.{}.client_id is missing.", name);
  if (!provider.client_secret.empty() && !provider.client_secret_file.empty()) {
    return fmt::format("auth.oidc.{0}.client_secret and auth.oidc.{0}.client_secret_file are both given; keep one.",
                       name);
  }
  if (!provider.roles.empty() && provider.role_claim.empty())
    return fmt::format("auth.oidc.{}.roles needs a role_claim.", name);
  if (!provider.teams.empty() && provider.team_claim.empty())
    return fmt::format("auth.oidc.{}.teams needs a team_claim.", name);
  return std::nullopt;
}

bool is_name(const std::string& name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, fits);
}

}  // namespace

Problem read_oidc(const Raw& raw, std::map<std::string, OidcProvider>& providers) {
  std::map<std::string, OidcProvider> read;
  if (const auto* lists = std::get_if<RawLists>(&raw); lists != nullptr && lists->empty()) {
    providers.clear();
    return std::nullopt;
  }
  const auto* tables = std::get_if<RawTables>(&raw);
  if (tables == nullptr)
    return "auth.oidc takes a section per provider: [auth.oidc.NAME] with texts and lists of texts.";
  for (const auto& [name, keys] : *tables) {
    if (!is_name(name)) return fmt::format("The provider's name \"{}\" is not 1 to 32 of a-z, 0-9 and -.", name);
    auto& provider = read[name];
    for (const auto& [key, items] : keys) {
      if (auto problem = put_key(provider, name, key, items)) return problem;
    }
    if (auto problem = complete(provider, name)) return problem;
    if (provider.title.empty()) provider.title = name;
  }
  providers = std::move(read);
  return std::nullopt;
}

Raw oidc_from_variable(const std::string& text) {
  RawTables tables;
  for (const auto& entry : split(text, ';')) {
    const auto equals = entry.find('=');
    const auto dot = entry.find('.');
    if (equals == std::string::npos || dot == std::string::npos || dot > equals) return text;
    tables[entry.substr(0, dot)][entry.substr(dot + 1, equals - dot - 1)] = split(entry.substr(equals + 1), ',');
  }
  if (tables.empty()) return RawLists{};
  return tables;
}

std::string oidc_text(const std::map<std::string, OidcProvider>& providers) {
  std::string out;
  for (const auto& [name, p] : providers) {
    std::string keys;
    const auto add = [&](std::string_view key, const std::string& value) {
      keys += fmt::format("{}{} = {}", keys.empty() ? "" : ", ", key, value);
    };
    const auto text = [&](std::string_view key, const std::string& value) {
      if (!value.empty()) add(key, quotes(value));
    };
    text("title", p.title);
    text("issuer", p.issuer);
    text("client_id", p.client_id);
    if (!p.client_secret.empty()) add("client_secret", "\"***\"");
    text("tls_ca", p.tls_ca);
    add("scopes", list_text(p.scopes));
    text("name_claim", p.name_claim);
    text("role_claim", p.role_claim);
    if (!p.roles.empty()) add("roles", list_text(mapping_items(p.roles)));
    text("team_claim", p.team_claim);
    if (!p.teams.empty()) add("teams", list_text(mapping_items(p.teams)));
    out += fmt::format("{}{} = {{ {} }}", out.empty() ? " " : ", ", name, keys);
  }
  return out.empty() ? "{}" : "{" + out + " }";
}

bool same_oidc(const std::map<std::string, OidcProvider>& a, const std::map<std::string, OidcProvider>& b) {
  if (oidc_text(a) != oidc_text(b)) return false;
  return std::ranges::all_of(a, [&](const auto& entry) {
    return entry.second.client_secret.equals(b.at(entry.first).client_secret.reveal());
  });
}

}  // namespace tiltyard::config
