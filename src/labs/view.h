#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "labs/service.h"

namespace tiltyard::templates {
struct Entry;
}

namespace tiltyard::labs {

/// How the outside reaches the gateway: goes into the endpoints that players see.
struct PublicAddress {
  std::string scheme = "http";
  std::string domain = "localhost";  ///< of the gateway
  std::string tcp_host = "localhost";
  std::uint16_t port = 8080;  ///< of the gateway's HTTP; 80 and 443 are left out of URLs
};

/// The instance as the API shows it; the contract is api/paths/labs.yaml.
boost::json::object instance_view(const Service& service, const Instance& instance, const PublicAddress& address);

/// The template as the API shows it; problems only `for_staff`.
boost::json::object template_view(const Service& service, const templates::Entry& entry, bool for_staff);

}  // namespace tiltyard::labs
