#pragma once

#include <string>
#include <vector>

#include "house/capability.h"
#include "templates/capability.h"

namespace tiltyard::imports {

/// Brings challenges of other systems into the folder of templates. It has words of the command line and nothing else:
/// no server is needed.
class Capability final : public house::Capability {
 public:
  explicit Capability(templates::Capability& templates) : templates_(templates) {}

  std::string_view name() const override { return "imports"; }
  std::vector<house::Switch> switches() const override { return {}; }
  void words(cli::Words& words) override;

 private:
  templates::Capability& templates_;
};

}  // namespace tiltyard::imports
