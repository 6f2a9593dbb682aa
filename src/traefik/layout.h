#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/endpoint_kind.h"
#include "traefik/options.h"

namespace tiltyard::traefik {

/// An endpoint as it is exported.
struct Exported {
  std::string instance, endpoint;
  EndpointKind kind = EndpointKind::kHttp;
  std::vector<std::string> hosts;  ///< whole names
  std::string machine;             ///< address:port
  bool by_gateway = true;          ///< only our gateway can do what it needs
};

/// What Redis is to have: whole keys and their values. Nothing in it is empty, which Traefik's store would skip.
using Keys = std::map<std::string, std::string>;

/// How our gateway is reached, and what lies below it.
struct Gateway {
  std::string address;      ///< host:port of HTTP
  std::string tls_address;  ///< of TLS; empty: there is none
  std::string domain;
};

/// The layout of Traefik's KV providers (routing configuration, "Traefik & KV Stores" of both major versions). Pages
/// are HTTP routers, endpoints of kind tls are TCP routers that hand through by SNI. Raw TCP and UDP are found by a
/// port, and Traefik's ports are fixed when it starts: they stay with our gateway.
Keys keys_of(const Options& options, const Gateway& gateway, const std::vector<Exported>& endpoints);

/// What the names of our routers and services begin with.
std::string prefix_of(const Options& options);
/// "http/routers/NAME" of "ROOT/http/routers/NAME/rule": what is written at once; empty for a key that is no part of a
/// router, service or the like.
std::string unit_of(const Options& options, const std::string& key);
/// Whether the key is one that `keys_of` may have written, now or before.
bool is_ours(const Options& options, const std::string& key);

}  // namespace tiltyard::traefik
