#pragma once

#include <map>
#include <optional>
#include <string>

#include "templates/capability.h"
#include "templates/desktop.h"

namespace tiltyard::desktop {

/// Which templates have a screen. What a template says now holds for the instances that run, too. Home loop.
class Screens {
 public:
  explicit Screens(templates::Capability& templates) : templates_(templates) {}

  std::optional<templates::Desktop> of(const templates::Template& tmpl) const;
  /// nullopt also where the template has gone.
  std::optional<templates::Desktop> of(const TemplateId& tmpl) const;

 private:
  static constexpr std::size_t kMostKept = 4096;

  templates::Capability& templates_;
  mutable std::map<std::string, std::optional<templates::Desktop>> known_;  ///< by the template's hash
};

}  // namespace tiltyard::desktop
