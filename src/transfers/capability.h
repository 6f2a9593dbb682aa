#pragma once

#include <memory>

#include "house/capability.h"
#include "labs/capability.h"
#include "transfers/measures.h"
#include "transfers/service.h"

namespace tiltyard::transfers {

/// The files of machines for those who own them (row 3.6).
class Capability final : public house::Capability {
 public:
  explicit Capability(labs::Capability& labs) : labs_(labs) {}

  std::string_view name() const override { return "transfers"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<limits::Limiter> limiters() const override;
  metrics::Metrics measures() const override { return measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<void> close() override;

 private:
  labs::Capability& labs_;
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::transfers
