#include "config/forms.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace tiltyard::config {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool only(std::string_view text, bool (*allowed)(char)) { return !text.empty() && std::ranges::all_of(text, allowed); }

/// Cuts "90 s" into 90 and "s".
std::optional<std::pair<std::uint64_t, std::string_view>> number_and_unit(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{}) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  return std::pair{number, unit};
}

std::optional<std::uint64_t> times(std::uint64_t number, std::uint64_t unit) {
  if (number > std::numeric_limits<std::int64_t>::max() / unit) return std::nullopt;
  return number * unit;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_whole(text);
  if (!number || *number < 0 || *number > 65535 || !only(text, is_digit)) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

/// First address and number of bits.
std::optional<std::pair<std::uint32_t, int>> parse_pool(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || !is_network(text) || text.contains(':')) return std::nullopt;
  const auto bits = parse_whole(text.substr(slash + 1));
  in_addr address{};
  inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address);
  const std::uint32_t first = ntohl(address.s_addr);
  if (!bits || *bits < 8 || *bits > 16 || (first & (0xFFFFFFFFU >> *bits)) != 0) return std::nullopt;
  return std::pair{first, static_cast<int>(*bits)};
}

}  // namespace

bool is_ip(std::string_view text) {
  const std::string address(text);
  unsigned char buffer[16];
  return inet_pton(AF_INET, address.c_str(), buffer) == 1 || inet_pton(AF_INET6, address.c_str(), buffer) == 1;
}

bool is_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_ip(text);
  const std::string_view address = text.substr(0, slash);
  const auto bits = parse_port(text.substr(slash + 1));
  const int most = address.contains(':') ? 128 : 32;
  return is_ip(address) && bits && *bits <= most;
}

bool is_host(std::string_view text) {
  if (is_ip(text)) return true;
  const auto allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-'; };
  return text.size() <= 253 && only(text, allowed) && !text.starts_with('.') && !text.ends_with('.') &&
         !text.starts_with('-') && !text.contains("..");
}

bool is_web_url(std::string_view text) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const std::string_view rest = text.substr(scheme.size());
    const std::string_view authority = rest.substr(0, rest.find('/'));
    if (rest.find_first_of(" ?#@\"") != std::string_view::npos) return false;
    if (parse_address(authority)) return true;
    const std::size_t colon = authority.rfind(':');
    if (colon == std::string_view::npos) return is_host(authority);
    return is_host(authority.substr(0, colon)) && parse_port(authority.substr(colon + 1)).has_value();
  }
  return false;
}

bool is_name(std::string_view text) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-'; };
  return text.size() <= 16 && only(text, allowed) && !text.starts_with('-');
}

bool is_pool(std::string_view text) { return parse_pool(text).has_value(); }

bool pools_meet(std::string_view one, std::string_view other) {
  const auto a = parse_pool(one), b = parse_pool(other);
  return a && b && ((a->first ^ b->first) >> (32 - std::min(a->second, b->second))) == 0;
}

std::optional<std::pair<std::string, std::uint16_t>> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  if (!port || !is_ip(host) || brackets != host.contains(':')) return std::nullopt;
  return std::pair{std::string(host), *port};
}

std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_ports(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_port(text.substr(0, dash));
  const auto last = parse_port(text.substr(dash + 1));
  if (!first || !last || *first < 1024 || *first > *last) return std::nullopt;
  return std::pair{*first, *last};
}

std::optional<std::chrono::seconds> parse_seconds(std::string_view text) {
  const auto parts = number_and_unit(text);
  if (!parts) return std::nullopt;
  std::uint64_t unit = 0;
  if (parts->second.empty() || parts->second == "s") unit = 1;
  if (parts->second == "m" || parts->second == "min") unit = 60;
  if (parts->second == "h") unit = 3600;
  if (parts->second == "d") unit = 86400;
  if (unit == 0) return std::nullopt;
  const auto seconds = times(parts->first, unit);
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const auto parts = number_and_unit(text);
  if (!parts) return std::nullopt;
  std::string unit;
  for (char c : parts->second) unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.size() > 1 && unit.ends_with('b')) unit.pop_back();
  if (unit.empty() || unit == "b") return times(parts->first, 1);
  if (unit == "k") return times(parts->first, 1ULL << 10);
  if (unit == "m") return times(parts->first, 1ULL << 20);
  if (unit == "g") return times(parts->first, 1ULL << 30);
  if (unit == "t") return times(parts->first, 1ULL << 40);
  return std::nullopt;
}

std::optional<std::int64_t> parse_whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_real(std::string_view text) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "kmgt";
  std::string unit;
  for (char next : kUnits) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    unit = next;
  }
  return std::to_string(bytes) + unit;
}

std::string resolve_path(const std::filesystem::path& folder, const std::string& text) {
  return text.empty() ? text : (folder / text).lexically_normal().string();
}

std::string without_password(std::string url) {
  constexpr std::string_view kParameter = "password=";
  if (const auto begin = url.find(kParameter); begin != std::string::npos) {
    const auto value = begin + kParameter.size();
    url.replace(value, std::min(url.find('&', value), url.size()) - value, "***");
  }
  const auto scheme = url.find("://");
  const auto at = url.rfind('@');
  if (scheme == std::string::npos || at == std::string::npos) return url;
  const auto colon = url.find(':', scheme + 3);
  return colon < at ? url.replace(colon + 1, at - colon - 1, "***") : url;
}

std::string form::without_slashes(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace tiltyard::config
