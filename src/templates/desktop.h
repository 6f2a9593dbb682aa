#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "templates/model.h"

namespace tiltyard::templates {

/// The screen of a machine, which its owner sees in the page (row 3.2).
struct Desktop {
  enum class Kind : std::uint8_t { kVnc };
  Kind kind = Kind::kVnc;
  std::string machine;  ///< service
  std::uint16_t port = 5900;
  std::string password;    ///< that its program asks for; empty: none
  bool per_owner = false;  ///< it is the owner's own, of `Credentials`

  bool operator==(const Desktop&) const = default;
};

std::string_view word_of(Desktop::Kind kind);

/// The screen that the instance.toml in the template's folder says; nullopt: it says none, or is no longer there. Reads
/// the file anew: few ask, and each once for a template's hash.
std::optional<Desktop> desktop_of(const Template& tmpl);

}  // namespace tiltyard::templates
