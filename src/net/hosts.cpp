#include "net/hosts.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "net/networks.h"
#include "net/text.h"

namespace tiltyard::http {

namespace {

struct Authority {
  std::string name;  ///< in small letters, an IPv6 address in brackets
  unsigned port = 0;

  bool operator==(const Authority&) const = default;
};

struct Origin {
  bool tls = false;
  Authority at;  ///< with its port
};

/// nullopt for what is no host with or without a port, or has more beside it.
std::optional<Authority> authority_of(std::string_view text, unsigned usual_port) {
  const auto end = text.starts_with('[') ? text.find(']') : text.find(':') - 1;
  if (text.empty() || text.find_first_of("/?#@,; \t\\") != std::string_view::npos) return std::nullopt;
  Authority made{lower(text.substr(0, end + 1)), usual_port};
  const auto rest = text.substr(made.name.size());
  if (made.name.empty() || (text.starts_with('[') && !made.name.ends_with(']'))) return std::nullopt;
  if (rest.empty() || rest == ":") return made;
  made.port = 0;
  const auto [stop, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), made.port);
  const bool number = error == std::errc() && stop == rest.data() + rest.size() && made.port <= 65535;
  return rest.front() == ':' && number ? std::optional(made) : std::nullopt;
}

/// "https://ctf.example" of a page; nullopt for "null", and for what is not on the web.
std::optional<Origin> origin_in(std::string_view text) {
  const auto scheme = text.substr(0, text.find("://"));
  const bool tls = same_text(scheme, "https");
  if (scheme.size() == text.size() || (!tls && !same_text(scheme, "http"))) return std::nullopt;
  auto at = authority_of(text.substr(scheme.size() + 3), tls ? 443 : 80);
  return at ? std::optional(Origin{tls, std::move(*at)}) : std::nullopt;
}

std::optional<Origin> origin_of(const Headers& headers) {
  const auto fields =
      std::ranges::count_if(headers, [](const auto& field) { return same_text(field.first, "Origin"); });
  return fields == 1 ? origin_in(headers.get("Origin")) : std::nullopt;
}

std::string written(const Origin& origin) {
  const bool usual = origin.at.port == (origin.tls ? 443U : 80U);
  return usual ? origin.at.name : origin.at.name + ":" + std::to_string(origin.at.port);
}

/// A name of the proxy's own network, which no DNS of the world has.
bool is_plain_label(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

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

Hosts::Hosts(const std::vector<std::string>& names, bool own_addresses, std::string_view public_url)
    : any_(false), own_addresses_(own_addresses) {
  names_.emplace_back("localhost");
  for (const auto& name : names) {
    if (auto host = host_of_field(name.contains(':') ? "[" + name + "]" : name); !host.empty())
      names_.push_back(std::move(host));
  }
  const auto scheme = public_url.find("://");
  if (scheme != std::string_view::npos) public_ = public_url.substr(0, public_url.find('/', scheme + 3));
}

bool Hosts::known(std::string_view host) const { return std::ranges::find(names_, host) != names_.end(); }

bool Hosts::ours(const Headers& headers, Came came, const std::function<std::string()>& local) const {
  if (any_) return true;
  std::optional<std::string_view> field;
  for (const auto& [name, value] : headers) {
    if (!same_text(name, "Host")) continue;
    if (field) return false;
    field = value;
  }
  if (!field) return came.http_1_0;
  const auto host = host_of_field(*field);
  if (known(host)) return true;
  // An address cannot be made to lead somewhere else; it has to be one of ours all the same, for links are made of it.
  const auto address = net::parse_address(host);
  if (address && (address->is_loopback() || (own_addresses_ && address == net::parse_address(local())))) return true;
  if (!came.by_proxy) return false;
  if (headers.has("X-Forwarded-Host")) return known(host_of_field(headers.get("X-Forwarded-Host")));
  const auto origin = origin_of(headers), here = origin_in(public_);
  return here && (is_plain_label(host) || (origin && origin->tls == here->tls && origin->at == here->at));
}

void Hosts::restore(Headers& headers, Came came) const {
  const auto origin = origin_of(headers), here = origin_in(public_);
  if (origin) {
    const bool of_public_url = here && origin->tls == here->tls && origin->at == here->at;
    const auto host = authority_of(headers.get("Host"), 0);
    const bool port_lost = headers.get("Sec-Fetch-Site") == "same-origin" && host && host->name == origin->at.name;
    if (of_public_url || port_lost) return headers.set("Host", written(*origin));
  }
  if (any_ || !came.by_proxy || !headers.has("X-Forwarded-Host")) return;
  if (std::string said(headers.get("X-Forwarded-Host")); known(host_of_field(said)))
    headers.set("Host", std::move(said));
}

bool same_origin(const Headers& headers, bool secure) {
  const auto origin = origin_of(headers);
  if (!origin || (secure && !origin->tls)) return false;
  return authority_of(headers.get("Host"), origin->tls ? 443 : 80) == origin->at;
}

}  // namespace tiltyard::http
