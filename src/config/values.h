#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/keys.h"

namespace tiltyard::config {

/// A value as the file has it, before we know whether it fits its key.
struct Unfit {
  std::string type;  ///< "a date", "a table of tables"
};
using RawLists = std::map<std::string, std::vector<std::string>>;
using RawTables = std::map<std::string, RawLists>;  ///< a text counts as a list of one
using Raw = std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>, RawLists, RawTables, Unfit>;

/// What is wrong, or nothing. The sentence names the key, the value (never a secret) and what the key takes.
using Problem = std::optional<std::string>;

/// Checks the value against the key and puts it into the key's Settings.
Problem assign(const Key& key, const Raw& raw);

/// A variable's text as the kind of value that the key takes; what cannot be read stays text, and `assign` complains.
Raw from_variable(const Key& key, const std::string& text);

// Texts as TOML, and lists as variables have them.
std::string quotes(std::string_view text);
std::string list_text(const std::vector<std::string>& items);
std::vector<std::string> split(std::string_view text, char separator);

/// The candidate that looks most like the word, if any is close.
std::optional<std::string> nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace tiltyard::config
