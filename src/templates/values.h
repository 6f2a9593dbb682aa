#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace tiltyard::templates {

/// `text` cut to `most` bytes, control characters as spaces: safe in a message.
std::string printable(std::string_view text, std::size_t most = 80);

/// "; did you mean \"x\"?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// Bytes: "512", "64m", "1.5 GB", "10kib"; units are powers of 1024 as in Compose. Not negative.
std::optional<std::int64_t> parse_bytes(std::string_view text);
/// "1h30m", "2.5s", "500ms", "10us" as in Compose. Not negative, at most 100 years. A bare number has no unit: nullopt.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_decimal(std::string_view text);  ///< finite, no exponent
std::optional<bool> parse_boolean(std::string_view text);
std::optional<std::uint16_t> parse_port(std::string_view text);  ///< 1 to 65535
/// Permission bits as octal digits: "0440", "440", "0o440".
std::optional<int> parse_mode(std::string_view text);

/// The short form of `ports`: "[[address:]host:]container[/protocol]", each port a number or a range.
struct PortText {
  std::string address, host;
  std::uint16_t first = 0, last = 0;  ///< container side
  std::string protocol = "tcp";
};
std::expected<PortText, std::string> parse_port_text(std::string_view text);

/// A command line as its words.
struct CommandText {
  std::vector<std::string> words;
  std::string_view unread;  ///< from an unquoted ";", "&", "|", "<" or ">" on, which ends the words
};
/// Splits a command line as Compose does (compose-go takes go-shellwords): quotes and backslashes as in a shell, "\n"
/// and "\t" stand for the characters, `$(…)` and `…` in backquotes stay together, nothing is expanded or run. The error
/// says what is left open.
std::expected<CommandText, std::string> split_command(std::string_view text);

/// The short form of `volumes`: "[source:]target[:options]".
struct VolumeText {
  std::string source, target;
  std::vector<std::string> options;
};
std::expected<VolumeText, std::string> parse_volume_text(std::string_view text);

std::string upper(std::string_view text);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
/// Letters, digits, '_', '.' and '-', the first a letter or digit, at most `most` characters.
bool is_name(std::string_view text, std::size_t most = 63);
/// Lower-case letters, digits and '-', neither end a '-', at most `most` characters.
bool is_label(std::string_view text, std::size_t most = 40);
/// A label without "--", which divides an endpoint's name from its instance's in a host name.
bool is_slug(std::string_view text, std::size_t most = 40);
/// A slug made of any text: lower case, whatever else as single '-'; may be empty.
std::string to_slug(std::string_view text, std::size_t most = 40);

}  // namespace tiltyard::templates
