#include "gateway/forwarded.h"

#include <vector>

#include "net/forwarded.h"
#include "net/networks.h"

namespace tiltyard::gateway {

namespace {

using List = std::vector<std::string_view>;

/// The entries of all fields of this name, the oldest first (RFC 9110 section 5.3).
void entries_of(const RequestHead& head, std::string_view name, List& entries) {
  entries.clear();
  for (const auto& field : head) {
    if (field.kind != FieldKind::kForwarding || !same_text(field.name, name)) continue;
    http::each_outside_quotes(field.value, ',', [&](std::string_view entry) {
      if (!entry.empty()) entries.push_back(entry);
    });
  }
}

/// An address as people and proxies write it: bare, or with a port.
std::optional<boost::asio::ip::address> address_of(std::string_view& text) {
  if (text.contains('%')) return std::nullopt;
  if (auto address = net::parse_address(text)) return address;
  text = http::node_address(text);
  return net::parse_address(text);
}

/// Walks back over trusted proxies, the last entry first.
void walk(List& entries, const IsProxy& is_proxy, Way& way) {
  while (!entries.empty()) {
    auto text = entries.back();
    entries.pop_back();
    const auto address = address_of(text);
    if (!address) return;
    way.client = text;
    if (!is_proxy(*address)) return;
  }
}

std::string_view first_of(const List& list) { return list.empty() ? std::string_view() : list.front(); }

}  // namespace

void believe(const RequestHead& head, const IsProxy& is_proxy, Way& way) {
  if (!head.forwarded) return;
  // Their room stays from one request to the next.
  static thread_local List said, elements;
  entries_of(head, "Forwarded", elements);
  entries_of(head, "X-Forwarded-Proto", said);
  auto scheme = first_of(said);
  if (scheme.empty() && !elements.empty()) scheme = http::forwarded_parameter(elements.back(), "proto");
  if (!scheme.empty()) way.secure = same_text(scheme, "https") || same_text(scheme, "wss");
  entries_of(head, "X-Forwarded-For", said);
  // A proxy that writes one of the two hands on the other as the client sent it; most write this one.
  if (said.empty()) {
    for (const auto element : elements) said.push_back(http::forwarded_parameter(element, "for"));
  }
  walk(said, is_proxy, way);
}

std::string_view forwarded_host(const RequestHead& head) {
  if (!head.forwarded) return {};
  List said;
  entries_of(head, "X-Forwarded-Host", said);
  if (said.empty()) {
    entries_of(head, "Forwarded", said);
    return said.empty() ? std::string_view() : http::forwarded_parameter(said.back(), "host");
  }
  return said.back();
}

}  // namespace tiltyard::gateway
