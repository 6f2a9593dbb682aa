#pragma once

#include <memory>

#include "access/capability.h"
#include "contest/events.h"
#include "contest/service.h"
#include "flags/capability.h"
#include "house/capability.h"
#include "identity/capability.h"
#include "labs/capability.h"
#include "realtime/realtime.h"
#include "templates/capability.h"

namespace tiltyard::contest {

/// Who solved what: what is handed in, boards, and cases of flags that were passed on.
class Capability final : public house::Capability, public realtime::HasRooms {
 public:
  Capability(identity::Capability& identity, templates::Capability& templates, flags::Capability& flags,
             labs::Capability& labs, access::Capability& access)
      : identity_(identity), templates_(templates), flags_(flags), labs_(labs), access_(access) {}

  std::string_view name() const override { return "contest"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return contest::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  bus::EventKinds events() const override { return contest::events::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;
  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;

 private:
  identity::Capability& identity_;
  templates::Capability& templates_;
  flags::Capability& flags_;
  labs::Capability& labs_;
  access::Capability& access_;
  Options options_;
  WorkerPool* files_ = nullptr;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::contest
