#include "identity/address.h"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "net/text.h"

namespace tiltyard::identity {
namespace {

std::array<unsigned char, 16> bytes_of(const asio::ip::address& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  return asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4()).to_bytes();
}

/// All entries of X-Forwarded-For, the oldest first; several fields count as one list (RFC 9110, 5.3).
std::vector<std::string_view> forwarded_for(const http::Request& request) {
  std::vector<std::string_view> entries;
  for (const auto& [name, value] : request.headers) {
    if (!same_text(name, "X-Forwarded-For")) continue;
    std::string_view rest = value;
    while (true) {
      const auto comma = rest.find(',');
      entries.push_back(trim(rest.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return entries;
}

/// Cuts `text` at `mark`, except within quoted strings (RFC 9110, 5.6.4).
std::vector<std::string_view> split_outside_quotes(std::string_view text, char mark) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') ++i;
    else if (text[i] == '"') quoted = !quoted;
    else if (text[i] == mark && !quoted) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

/// A parameter of one element of Forwarded (RFC 7239, 4), without its quotes; addresses and schemes need no escapes.
std::string_view forwarded_parameter(std::string_view element, std::string_view wanted) {
  for (const auto pair : split_outside_quotes(element, ';')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || !same_text(pair.substr(0, equals), wanted)) continue;
    auto value = pair.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return value;
  }
  return {};
}

/// All elements of Forwarded, the oldest first.
std::vector<std::string_view> forwarded_elements(const http::Request& request) {
  std::vector<std::string_view> elements;
  for (const auto& [name, value] : request.headers) {
    if (!same_text(name, "Forwarded")) continue;
    for (const auto element : split_outside_quotes(value, ',')) elements.push_back(element);
  }
  return elements;
}

/// The node of "for": an address without its port and brackets; "unknown" and "_hidden" are none (RFC 7239, 6).
std::string_view node_address(std::string_view node) {
  if (node.starts_with('[')) {
    const auto end = node.find(']');
    return end == std::string_view::npos ? std::string_view() : node.substr(1, end - 1);
  }
  return node.substr(0, node.find(':'));
}

/// Walks back from the peer over trusted proxies, the last entry first.
std::optional<asio::ip::address> walk(std::optional<asio::ip::address> peer, std::vector<std::string_view> entries,
                                      const Networks& trusted) {
  while (peer && trusted.contains(*peer) && !entries.empty()) {
    peer = parse_address(entries.back());
    entries.pop_back();
  }
  return peer;
}

}  // namespace

Result<Networks> Networks::parse(const std::vector<std::string>& ranges) {
  Networks networks;
  for (const auto& text : ranges) {
    const auto bad = [&] {
      return fail(Code::kInvalid, "invalid-network", "\"" + text + "\" is not an address range like 10.0.0.0/8.");
    };
    const auto slash = text.find('/');
    const auto address = parse_address(std::string_view(text).substr(0, slash));
    if (!address) return bad();
    const int most = address->is_v4() ? 32 : 128;
    int bits = most;
    if (slash != std::string::npos) {
      const char* end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
      if (error != std::errc{} || stop != end || bits < 0 || bits > most) return bad();
    }
    networks.ranges_.push_back({bytes_of(*address), bits + 128 - most});
  }
  return networks;
}

bool Networks::contains(const asio::ip::address& address) const {
  const auto bytes = bytes_of(address);
  return std::ranges::any_of(ranges_, [&](const Range& range) {
    const int whole = range.bits / 8;
    const int rest = range.bits % 8;
    if (!std::equal(bytes.begin(), bytes.begin() + whole, range.prefix.begin())) return false;
    return rest == 0 || (bytes[whole] ^ range.prefix[whole]) >> (8 - rest) == 0;
  });
}

const std::vector<std::string>& private_ranges() {
  static const std::vector<std::string> ranges = {"10.0.0.0/8",    "172.16.0.0/12",  "192.168.0.0/16",
                                                  "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
                                                  "::1/128",       "fc00::/7",       "fe80::/10"};
  return ranges;
}

namespace {

/// Four numbers, as inet_pton(3) takes them; nullopt: ask that. With every request, and there it is the longer way.
std::optional<asio::ip::address_v4> parse_v4(std::string_view text) {
  asio::ip::address_v4::bytes_type bytes{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    if (place > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const char* const begin = at;
    unsigned number = 0;
    for (; at != end && *at >= '0' && *at <= '9' && at - begin < 3; ++at)
      number = number * 10 + static_cast<unsigned>(*at - '0');
    if (at == begin || number > 255 || (*begin == '0' && at - begin > 1)) return std::nullopt;
    bytes[place] = static_cast<unsigned char>(number);
  }
  if (at != end) return std::nullopt;
  return asio::ip::address_v4(bytes);
}

}  // namespace

std::optional<asio::ip::address> parse_address(std::string_view text) {
  if (const auto v4 = parse_v4(text)) return *v4;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(std::string(text.substr(0, text.find('%'))), error);
  if (error) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address;
}

std::optional<asio::ip::address> client_address(const http::Request& request, const Networks& trusted) {
  const auto peer = parse_address(request.remote_address);
  if (!peer || !trusted.contains(*peer)) return peer;
  auto entries = forwarded_for(request);
  const bool has_entries = !entries.empty();
  const auto by_list = walk(peer, std::move(entries), trusted);
  std::vector<std::string_view> nodes;
  for (const auto element : forwarded_elements(request))
    nodes.push_back(node_address(forwarded_parameter(element, "for")));
  if (nodes.empty()) return by_list;
  const auto by_nodes = walk(peer, std::move(nodes), trusted);
  if (has_entries && by_nodes != by_list) return std::nullopt;
  return by_nodes;
}

bool came_over_tls(const http::Request& request, const Networks& trusted) {
  if (request.secure) return true;
  const auto peer = parse_address(request.remote_address);
  if (!peer || !trusted.contains(*peer)) return false;
  if (request.headers.has("X-Forwarded-Proto")) return same_text(request.headers.get("X-Forwarded-Proto"), "https");
  const auto elements = forwarded_elements(request);
  return !elements.empty() && same_text(forwarded_parameter(elements.back(), "proto"), "https");
}

}  // namespace tiltyard::identity
