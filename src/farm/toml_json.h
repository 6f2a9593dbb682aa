#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace tiltyard::farm {

enum class Secrets { kShow, kBlank };

/// What stands for a token or password that is not shown.
inline constexpr std::string_view kBlank = "***";

/// A key whose value is a secret: its name contains "token", "password" or "secret".
bool is_secret(std::string_view key);
/// The table as a JSON object. Dates and times become texts.
std::string to_json(const toml::table& table, Secrets secrets = Secrets::kShow);
/// That every secret of the text can be blanked: each is a text on one line. `farm-config-invalid` names the one that
/// is not.
Result<> check_secrets(std::string_view text, const toml::table& table);

}  // namespace tiltyard::farm
