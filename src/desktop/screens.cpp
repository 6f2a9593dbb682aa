#include "desktop/screens.h"

namespace tiltyard::desktop {

std::optional<templates::Desktop> Screens::of(const templates::Template& tmpl) const {
  const auto found = known_.find(tmpl.hash);
  if (found != known_.end()) return found->second;
  if (known_.size() >= kMostKept) known_.clear();  // of templates as they were once
  return known_.emplace(tmpl.hash, templates::desktop_of(tmpl)).first->second;
}

std::optional<templates::Desktop> Screens::of(const TemplateId& tmpl) const {
  const auto entry = templates_.catalogue().find(tmpl);
  return entry ? of(*entry->tmpl) : std::nullopt;
}

}  // namespace tiltyard::desktop
