#pragma once

#include "access/contacts.h"
#include "house/routes.h"
#include "identity/identity.h"

namespace tiltyard::access {

void add_routes(house::Routes& routes, Contacts& contacts, identity::Service& identity);

}  // namespace tiltyard::access
