#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tiltyard::config {

struct Raw;

/// A table as the file has it.
using RawTable = std::map<std::string, Raw>;

/// What is no value that any key takes.
struct Unfit {
  std::string type;  ///< "a date"
};

/// A value as the file has it, before we know whether it fits its key.
struct Raw : std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>, RawTable, Unfit> {
  using variant::variant;
};

/// As a complaint shows it.
std::string raw_text(const Raw& raw);

/// What is wrong, or nothing. The sentence names the key, the value (never a secret) and what the key takes.
using Problem = std::optional<std::string>;

// Texts as TOML, and lists as variables have them.
std::string toml_text(std::string_view text);
std::string list_text(const std::vector<std::string>& items);
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace tiltyard::config
