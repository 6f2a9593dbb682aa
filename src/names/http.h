#pragma once

#include "certificates/certificates.h"
#include "house/routes.h"
#include "identity/capability.h"
#include "labs/capability.h"
#include "names/names.h"

namespace tiltyard::names {

/// What the routes need; all outlive the router.
struct HttpParts {
  Service& service;
  labs::Service& labs;
  identity::Service& identity;
  certificates::Wanted* wanted;  ///< null: nothing is fetched
  const Options& options;
  std::string target;      ///< where names are to lead
  std::string scheme;      ///< of URLs
  std::uint16_t port = 0;  ///< in them; 80 and 443 are left out
};

/// /api/v1/names and what is below it.
void add_routes(house::Routes& routes, HttpParts parts);

}  // namespace tiltyard::names
