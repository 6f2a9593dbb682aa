#pragma once

#include <memory>

#include "house/capability.h"
#include "identity/capability.h"
#include "labs/events.h"
#include "labs/labs.h"
#include "labs/measures.h"
#include "labs/service.h"
#include "labs/view.h"
#include "realtime/realtime.h"
#include "templates/capability.h"

namespace tiltyard::labs {

struct HttpParts;
struct Open;

/// Instances: everybody's own machines, from asking for them to their end.
class Capability final : public house::Capability, public realtime::HasRooms, public templates::HasFacts {
 public:
  Capability(identity::Capability& identity, templates::Capability& templates)
      : identity_(identity), templates_(templates) {}

  std::string_view name() const override { return "labs"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return labs::migrations(); }
  std::vector<limits::Limiter> limiters() const override;
  bus::EventKinds events() const override { return labs::events::kAll; }
  metrics::Metrics measures() const override { return labs::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<void> close() override;
  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;
  void add_facts(const templates::Template& tmpl, boost::json::object& view) const override;
  void add_images(std::set<std::string>& images) const override;
  const Options& options() const { return options_; }

  Service& service() { return *service_; }
  /// `instance-unknown`, `instance-not-running`, `machine-unknown`, `too-many-shells`, `too-many-commands`,
  /// `recordings-full`, `recording-failed`, and what the engine says. On the home loop, once routes are there.
  asio::awaitable<Result<Shell>> open_shell(ShellWish wish);
  /// How the outside reaches endpoints.
  PublicAddress address() const;

 private:
  asio::awaitable<void> user_gone(UserId user);

  identity::Capability& identity_;
  templates::Capability& templates_;
  house::Ground* ground_ = nullptr;
  std::vector<HasSteps*> joining_;
  Options options_;
  std::unique_ptr<Service> service_;
  Gate gate_{"labs capability"};
  std::shared_ptr<const HttpParts> http_;
  std::shared_ptr<Open> open_;  ///< in machines
};

}  // namespace tiltyard::labs
