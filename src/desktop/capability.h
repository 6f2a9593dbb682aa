#pragma once

#include "desktop/http.h"
#include "grants/capability.h"
#include "house/capability.h"
#include "labs/capability.h"

namespace tiltyard::desktop {

/// The screens of machines in the page (row 3.2).
class Capability final : public house::Capability, public templates::HasFacts {
 public:
  Capability(templates::Capability& templates, labs::Capability& labs, grants::Capability& grants)
      : labs_(labs), grants_(grants), screens_(templates) {}

  std::string_view name() const override { return "desktop"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<limits::Limiter> limiters() const override;
  void routes(house::Routes& routes) override;
  void add_facts(const templates::Template& tmpl, boost::json::object& view) const override;

 private:
  labs::Capability& labs_;
  grants::Capability& grants_;
  Screens screens_;
  Options options_;
};

}  // namespace tiltyard::desktop
