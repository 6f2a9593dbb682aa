#pragma once

#include <memory>

#include "house/capability.h"
#include "notices/events.h"
#include "notices/measures.h"
#include "notices/notices.h"

namespace tiltyard::notices {

/// What people are told of by webhook and mail.
class Capability final : public house::Capability {
 public:
  std::string_view name() const override { return "notices"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return notices::migrations(); }
  /// It has no routes: what it tells of is switched in its configuration.
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return notices::events::kAll; }
  metrics::Metrics measures() const override { return notices::measures::kAll; }
  Result<> make(house::Ground& ground) override;

  Service& service() { return *service_; }
  const Options& options() const { return options_; }

 private:
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::notices
