#pragma once

#include <memory>

#include "flags/events.h"
#include "flags/flags.h"
#include "house/capability.h"
#include "labs/step.h"
#include "templates/capability.h"

namespace tiltyard::privileged {
class Files;
}

namespace tiltyard::flags {

/// An owner's flag for each template, and its way into the machines: a step of the spawn.
class Capability final : public house::Capability, public labs::HasSteps {
 public:
  explicit Capability(templates::Capability& templates) : templates_(templates) {}

  std::string_view name() const override { return "flags"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return flags::migrations(); }
  /// A template has flags or has none; nobody can have it half.
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return flags::events::kAll; }
  Result<> make(house::Ground& ground) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  labs::Steps steps(const std::string& instances_folder) override;
  labs::PoolChoice pool_choice(const templates::Template& tmpl) override;
  asio::awaitable<Result<>> forget(std::string owner) override;

  Service& service() { return *service_; }

 private:
  templates::Capability& templates_;
  Options options_;
  std::unique_ptr<Service> service_;
  std::shared_ptr<const privileged::Files> apart_;  ///< who keeps the instances' own files; null: we do
};

}  // namespace tiltyard::flags
