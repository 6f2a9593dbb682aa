#include "net/hosts.h"

#include <algorithm>

#include "base/text.h"
#include "net/networks.h"
#include "net/text.h"

namespace tiltyard::http {

std::string host_of_field(std::string_view field) {
  if (field.starts_with('[')) return lower(field.substr(1, field.find(']') - 1));
  auto host = field.substr(0, field.rfind(':'));
  if (host.contains(':')) host = field;  // an address without its brackets; no port can be told from it
  if (host.ends_with('.')) host.remove_suffix(1);
  return lower(host);
}

Hosts::Hosts(const std::vector<std::string>& names, bool own_addresses) : any_(false), own_addresses_(own_addresses) {
  names_.emplace_back("localhost");
  for (const auto& name : names) names_.push_back(host_of_field(name.contains(':') ? "[" + name + "]" : name));
}

bool Hosts::ours(const Headers& headers, bool http_1_0, const std::function<std::string()>& local) const {
  if (any_) return true;
  std::optional<std::string_view> field;
  for (const auto& [name, value] : headers) {
    if (!same_text(name, "Host")) continue;
    if (field) return false;
    field = value;
  }
  if (!field) return http_1_0;
  const auto host = host_of_field(*field);
  if (std::ranges::find(names_, host) != names_.end()) return true;
  // An address cannot be made to lead somewhere else; it has to be one of ours all the same, for links are made of it.
  const auto address = net::parse_address(host);
  if (!address) return false;
  return address->is_loopback() || (own_addresses_ && address == net::parse_address(local()));
}

}  // namespace tiltyard::http
