#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "labs/service.h"
#include "net/http.h"

namespace tiltyard::labs {

/// How the outside reaches the gateway: goes into the endpoints that players see.
struct PublicAddress {
  std::string scheme = "http";
  std::string domain = "localhost";  ///< of the gateway
  std::string tcp_host = "localhost";
  std::uint16_t port = 8080;     ///< of the gateway's HTTP; 80 and 443 are left out of URLs
  std::uint16_t tls_port = 443;  ///< where endpoints of kind tls are reached by name
  bool owner_only = false;       ///< of endpoints whose template says nothing of it
};

/// The instance that the path's {id} names, if the caller may see it; `instance-unknown` otherwise, also for somebody
/// else's: ids tell nothing.
asio::awaitable<Result<Instance>> visible_instance(Service* service, http::Request request);

/// The instance as the API shows it; the contract is api/paths/labs.yaml.
boost::json::object instance_view(const Service& service, const Instance& instance, const PublicAddress& address);

/// One of its endpoints, as it stands in there.
boost::json::object endpoint_view(const Instance& instance, const PlannedEndpoint& endpoint,
                                  const PublicAddress& address);

/// What is known here of a template: how long starts take, and what waits in its pool.
void add_facts(const Service& service, const TemplateId& tmpl, boost::json::object& view);

}  // namespace tiltyard::labs
