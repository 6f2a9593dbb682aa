#pragma once

#include <memory>
#include <optional>

#include "base/gate.h"
#include "house/capability.h"
#include "identity/capability.h"
#include "net/reach.h"
#include "ssh/events.h"
#include "ssh/options.h"
#include "ssh/store.h"

namespace tiltyard::ssh {

/// The SSH keys of accounts. The port that they are for (row 3.4) is not there yet.
class Capability final : public house::Capability {
 public:
  explicit Capability(identity::Capability& identity) : identity_(identity) {}

  std::string_view name() const override { return "ssh"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return ssh::migrations(); }
  bus::EventKinds events() const override { return ssh::events::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<void> close() override;

 private:
  asio::awaitable<void> user_gone(UserId user);

  identity::Capability& identity_;
  house::Ground* ground_ = nullptr;
  Options options_;
  std::optional<net::Reach> reach_;
  std::unique_ptr<KeyStore> keys_;
  Gate gate_{"ssh"};
};

}  // namespace tiltyard::ssh
