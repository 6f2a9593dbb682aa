#pragma once

#include <memory>

#include "house/capability.h"
#include "labs/capability.h"
#include "ports/service.h"

namespace tiltyard::ports {

/// Which ports of their machines owners see, and what they open of them.
class Capability final : public house::Capability {
 public:
  explicit Capability(labs::Capability& labs) : labs_(labs) {}

  std::string_view name() const override { return "ports"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<limits::Limiter> limiters() const override;
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;

 private:
  labs::Capability& labs_;
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::ports
