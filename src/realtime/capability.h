#pragma once

#include <memory>

#include "features/capability.h"
#include "house/capability.h"
#include "identity/capability.h"
#include "realtime/measures.h"
#include "realtime/realtime.h"

namespace tiltyard::realtime {

/// Rooms over Socket.IO. Last in the list: it shows what all others have.
class Capability final : public house::Capability {
 public:
  Capability(identity::Capability& identity, features::Capability& features)
      : identity_(identity), features_(features) {}

  std::string_view name() const override { return "realtime"; }
  metrics::Metrics measures() const override { return realtime::measures::kAll; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return realtime::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> drain() override;
  asio::awaitable<void> close() override;

 private:
  void add_rooms(const house::Routes& routes);

  identity::Capability& identity_;
  features::Capability& features_;
  house::Ground* ground_ = nullptr;
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::realtime
