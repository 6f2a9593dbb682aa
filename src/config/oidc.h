#pragma once

#include <map>
#include <string>

#include "config/values.h"

/// [auth.oidc.NAME]: the one key whose value has keys of its own.
namespace tiltyard::config {

/// Reads the providers; what is wrong, or nothing. Secrets are not in the sentence.
Problem read_oidc(const Raw& raw, std::map<std::string, OidcProvider>& providers);
/// "main.issuer=https://id.example;main.client_id=range"
Raw oidc_from_variable(const std::string& text);
/// As TOML, secrets as "***".
std::string oidc_text(const std::map<std::string, OidcProvider>& providers);
/// Whether both have the same values, secrets included.
bool same_oidc(const std::map<std::string, OidcProvider>& a, const std::map<std::string, OidcProvider>& b);

}  // namespace tiltyard::config
