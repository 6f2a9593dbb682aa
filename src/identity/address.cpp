#include "identity/address.h"

#include "base/text.h"
#include "net/forwarded.h"
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

/// All elements of Forwarded, the oldest first.
std::vector<std::string_view> forwarded_elements(const http::Request& request) {
  std::vector<std::string_view> elements;
  for (const auto& [name, value] : request.headers) {
    if (!same_text(name, "Forwarded")) continue;
    http::each_outside_quotes(value, ',', [&](std::string_view element) { elements.push_back(element); });
  }
  return elements;
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
    nodes.push_back(http::node_address(http::forwarded_parameter(element, "for")));
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
  return peer && trusted.contains(*peer) && http::says_https(request.headers);
}

}  // namespace tiltyard::identity
