#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// The forms that texts in the configuration may have. All are pure functions.
namespace tiltyard::config {

/// What a key's text, or each item of its list, must be like. A module has forms of its own beside the common ones.
struct Form {
  std::string_view takes;                            ///< ends "it takes …"
  bool (*fits)(std::string_view text) = nullptr;     ///< null: every line of text does
  std::string (*tidy)(std::string text) = nullptr;   ///< a good text as it is kept
  std::string (*shown)(std::string text) = nullptr;  ///< without what nobody may read
  /// From where the file is, for what may be relative to it.
  std::string (*resolve)(const std::filesystem::path& folder, const std::string& text) = nullptr;
};

bool is_ip(std::string_view text);
/// "10.0.0.0/8", "fd00::/8", or a single address.
bool is_network(std::string_view text);
/// Letters, digits, dots and dashes; or an IP address.
bool is_host(std::string_view text);
/// "http://host[:port][/path]" or https.
bool is_web_url(std::string_view text);
/// 1 to 16 of a-z, 0-9 and -, the first one no dash.
bool is_name(std::string_view text);

/// An IPv4 network, /8 to /16, whose host bits are zero: what machines' addresses are cut from.
bool is_pool(std::string_view text);
/// Whether two such networks have addresses in common.
bool pools_meet(std::string_view one, std::string_view other);

/// "127.0.0.1:8000", "[::1]:8000": the address and the port (0 to 65535).
std::optional<std::pair<std::string, std::uint16_t>> parse_address(std::string_view text);
/// "20000-29999"
std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_ports(std::string_view text);
/// "90s", "5 m", "2h", "7d"; a bare number is seconds.
std::optional<std::chrono::seconds> parse_seconds(std::string_view text);
/// "256m", "4g", "512k", "1t" (powers of 1024, with or without a b behind); a bare number is bytes.
std::optional<std::uint64_t> parse_bytes(std::string_view text);
std::optional<std::int64_t> parse_whole(std::string_view text);
std::optional<double> parse_real(std::string_view text);

std::string bytes_text(std::uint64_t bytes);
/// A path that is relative to the folder, made whole.
std::string resolve_path(const std::filesystem::path& folder, const std::string& text);
/// A URL's password, in its usual place or as an option, as "***".
std::string without_password(std::string url);

namespace form {

std::string without_slashes(std::string url);  ///< at its end

inline constexpr Form kAny{.takes = "a text"};
inline constexpr Form kAddress{.takes = "ADDRESS:PORT with an IP address, such as \"127.0.0.1:8000\" or \"[::1]:8000\"",
                               .fits = [](std::string_view text) { return parse_address(text).has_value(); }};
inline constexpr Form kAddressOrNone{
    .takes = "ADDRESS:PORT with an IP address, or nothing",
    .fits = [](std::string_view text) { return text.empty() || parse_address(text).has_value(); }};
inline constexpr Form kHost{.takes = "a host name or an address",
                            .fits = [](std::string_view text) { return text.empty() || is_host(text); }};
inline constexpr Form kUrl{.takes = "a URL with http:// or https://",
                           .fits = [](std::string_view text) { return text.empty() || is_web_url(text); },
                           .tidy = without_slashes};
inline constexpr Form kPath{.takes = "a path", .resolve = resolve_path};
inline constexpr Form kPool{.takes = "an IPv4 network, /8 to /16, such as \"10.64.0.0/12\"", .fits = is_pool};
inline constexpr Form kPoolOrNone{.takes = "an IPv4 network, /8 to /16, such as \"10.64.0.0/12\", or nothing",
                                  .fits = [](std::string_view text) { return text.empty() || is_pool(text); }};
inline constexpr Form kName{.takes = "1 to 16 of a-z, 0-9 and -", .fits = is_name};

// Of the items of lists.
inline constexpr Form kNetworks{.takes = "a list of addresses and networks (CIDR)", .fits = is_network};
inline constexpr Form kWords{.takes = "a list of words", .fits = [](std::string_view item) {
                               for (const char c : item) {
                                 if (c <= ' ' || c >= 0x7F) return false;
                               }
                               return !item.empty();
                             }};

}  // namespace form

}  // namespace tiltyard::config
