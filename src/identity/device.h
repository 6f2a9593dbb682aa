#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace tiltyard::identity {

/// Browsers that somebody has signed in with before. Such a browser keeps a value that only this server (or one with
/// the same admin token) can have made, for months and over sign-outs; it opens nothing, but what others try under the
/// same name or from the same address does not count against it. OWASP calls them device cookies.
class Devices {
 public:
  struct Device {
    std::string id;    ///< of this one
    std::string name;  ///< tells whose it is to who knows the name, as `name_tag` does
  };

  /// Before the first use; from then on everything here may be called on any thread.
  void set_key(const Secret& master);
  /// A new one for whoever has this name; `name_key` is how names are compared (sql::name_key).
  std::string issue(std::string_view name_key) const;
  /// nullopt: not ours.
  std::optional<Device> read(std::string_view value) const;
  std::string name_tag(std::string_view name_key) const;

 private:
  std::array<unsigned char, 32> key_{};
};

}  // namespace tiltyard::identity
