#include "net/hosts.h"

#include <algorithm>

#include "base/text.h"
#include "net/networks.h"
#include "net/text.h"

namespace tiltyard::http {

std::string host_of_field(std::string_view field) {
  if (field.starts_with('[')) {
    const auto end = field.find(']');
    const auto rest = end == std::string_view::npos ? "x" : field.substr(end + 1);
    const bool port =
        rest.empty() || (rest.starts_with(':') && rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
    return port ? lower(field.substr(1, end - 1)) : std::string();
  }
  const auto colon = field.rfind(':');
  auto host = field.substr(0, colon);
  if (host.contains(':')) host = field;  // an address without its brackets; no port can be told from it
  else if (colon != std::string_view::npos &&
           field.find_first_not_of("0123456789", colon + 1) != std::string_view::npos)
    return {};
  if (host.ends_with('.')) host.remove_suffix(1);
  return lower(host);
}

Hosts::Hosts(const std::vector<std::string>& names, bool own_addresses) : any_(false), own_addresses_(own_addresses) {
  names_.emplace_back("localhost");
  for (const auto& name : names) {
    if (auto host = host_of_field(name.contains(':') ? "[" + name + "]" : name); !host.empty())
      names_.push_back(std::move(host));
  }
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
