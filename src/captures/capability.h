#pragma once

#include <memory>

#include "apart/capability.h"
#include "captures/captures.h"
#include "captures/events.h"
#include "captures/measures.h"
#include "house/capability.h"
#include "labs/capability.h"
#include "labs/step.h"

namespace tiltyard::captures {

/// Packets of instances, captured for staff and for evidence.
class Capability final : public house::Capability, public labs::HasSteps {
 public:
  Capability(apart::Capability& apart, labs::Capability& labs) : apart_(apart), labs_(labs) {}

  std::string_view name() const override { return "captures"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return captures::migrations(); }
  bus::EventKinds events() const override { return captures::events::kAll; }
  metrics::Metrics measures() const override { return captures::measures::kAll; }
  std::vector<limits::Limiter> limiters() const override;
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<void> close() override;
  labs::Steps steps(const std::string& instances_folder) override;

  Service& service() { return *service_; }
  const Options& options() const { return options_; }

 private:
  apart::Capability& apart_;
  labs::Capability& labs_;
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::captures
