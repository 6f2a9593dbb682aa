#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// The forms that texts in the configuration may have. All are pure functions.
namespace tiltyard::config {

bool is_ip(std::string_view text);
/// "10.0.0.0/8", "fd00::/8", or a single address.
bool is_network(std::string_view text);
/// An IPv4 network of at least a /16 whose host bits are zero.
bool is_pool(std::string_view text);
/// Letters, digits, dots and dashes; or an IP address.
bool is_host(std::string_view text);
/// "http://host[:port][/path]" or https.
bool is_web_url(std::string_view text);
bool is_engine_url(std::string_view text);
/// "egress", "privileged", "devices", "cap:NAME", "sysctl:NAME", "bind:/PATH"
bool is_allowance(std::string_view text);

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

}  // namespace tiltyard::config
