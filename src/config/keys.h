#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace tiltyard::config {

/// Whether a running server takes up a new value (on SIGHUP) or only the next start does.
enum class Apply { kLive, kRestart };

// What a key's value is, where it lives in Settings, and what it may be.
struct Text {
  std::string* value;
  enum class Form {
    kAny,
    kAddress,
    kAddressOrNone,
    kHost,
    kUrl,
    kEngineUrl,
    kPath,
    kStoreUrl,
    kLogFile,
    kNamespace,
    kNetwork,
    kFlagPrefix
  } form;
};
struct Number {
  int* value;
  int least, most;
};
struct Real {
  double* value;
  double least, most;
};
struct Bytes {
  std::uint64_t* value;
  std::uint64_t least, most;
};
struct Seconds {
  std::chrono::seconds* value;
  std::chrono::seconds least, most;
};
struct Flag {
  bool* value;
};
struct Ports {
  PortRange* value;
};
struct Texts {
  std::vector<std::string>* value;
  enum class Form { kNetworks, kStrategies, kWords } form;
};
struct Allow {
  std::map<std::string, std::vector<std::string>>* value;
};
struct Oidc {
  std::map<std::string, OidcProvider>* value;
};
struct SecretText {
  Secret* value;
  std::size_t least;  ///< characters, when it is given at all
};
/// One of a few words. The accessors hide which enum it is.
struct Choice {
  std::vector<std::string_view> words;
  std::function<std::size_t()> get;
  std::function<void(std::size_t)> set;
};

using Target = std::variant<Text, Number, Real, Bytes, Seconds, Flag, Ports, Texts, Allow, Oidc, SecretText, Choice>;

struct Key {
  std::string_view section;
  std::string_view name;
  std::string_view prose;
  Apply apply;
  Target target;

  std::string dotted() const { return std::string(section) + "." + std::string(name); }
  /// TILTYARD_SECTION_KEY
  std::string variable() const;
  bool secret() const { return std::holds_alternative<SecretText>(target); }
};

/// Every key there is, bound to these settings (which must outlive the result).
std::vector<Key> keys_of(Settings& settings);

/// One line on each section, in the order of the keys.
std::string_view prose_of_section(std::string_view section);

/// The key's present value as TOML; a secret is `"***"`, or `""` where there is none.
std::string value_text(const Key& key);
/// A database's URL as it may be shown: the password, in its usual place or as an option, is "***".
std::string without_password(std::string url);
/// What values the key takes: "1 to 64", "docker or fake"; empty where every text will do.
std::string range_text(const Key& key);

}  // namespace tiltyard::config
