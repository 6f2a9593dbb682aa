#include "identity/address.h"

#include "base/text.h"
#include "net/text.h"

namespace tiltyard::identity {
namespace {

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

const std::vector<std::string>& private_ranges() {
  static const std::vector<std::string> ranges = {"10.0.0.0/8",    "172.16.0.0/12",  "192.168.0.0/16",
                                                  "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
                                                  "::1/128",       "fc00::/7",       "fe80::/10"};
  return ranges;
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

bool comes_by_a_stranger(const http::Request& request, const Networks& trusted) {
  const auto peer = parse_address(request.remote_address);
  return (!peer || !trusted.contains(*peer)) &&
         (request.headers.has("X-Forwarded-For") || request.headers.has("Forwarded"));
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
