#pragma once

#include <boost/json/object.hpp>

#include <vector>

#include "templates/templates.h"

namespace tiltyard::templates {

/// What is shown: the templates as they can be started, and who adds what to each.
struct Shown {
  Offers& offers;
  std::vector<HasFacts*> facts;
};

/// The template as the API shows it, the contract is api/paths/templates.yaml; problems only `for_staff`.
boost::json::object view(const Shown& shown, const Entry& entry, bool for_staff);
/// Players see what they can start now or soon; what is switched off or broken is for those who can mend it.
bool is_shown(const Shown& shown, const Entry& entry, bool to_staff);

}  // namespace tiltyard::templates
