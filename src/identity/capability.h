#pragma once

#include <memory>

#include "house/capability.h"
#include "identity/events.h"
#include "identity/identity.h"
#include "notices/capability.h"

namespace tiltyard::identity {

/// Who is there and what they may do. It stands at every door.
class Capability final : public house::Capability {
 public:
  explicit Capability(notices::Capability& notices) : notices_(notices) {}

  std::string_view name() const override { return "identity"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return identity::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  /// Without it nobody could switch it on again.
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return identity::events::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  Service& service() { return *service_; }
  const Options& options() const { return options_; }

 private:
  notices::Capability& notices_;
  house::Ground* ground_ = nullptr;
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::identity
