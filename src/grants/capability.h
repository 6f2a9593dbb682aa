#pragma once

#include <memory>

#include "grants/grants.h"
#include "grants/store.h"
#include "house/capability.h"

namespace tiltyard::grants {

/// Who may go into machines, and for how long (row 3.5).
class Capability final : public house::Capability {
 public:
  explicit Capability(labs::Capability& labs) : labs_(labs) {}

  std::string_view name() const override { return "grants"; }
  std::vector<store::Migration> migrations() const override { return grants::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  /// Without it nobody would come into a machine from a page.
  std::vector<house::Switch> switches() const override { return {}; }
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  Service& service() { return *service_; }

 private:
  labs::Capability& labs_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::grants
