#pragma once

#include <memory>

#include "apart/capability.h"
#include "disk/disk.h"
#include "disk/events.h"
#include "disk/measures.h"
#include "house/capability.h"
#include "labs/capability.h"
#include "labs/step.h"
#include "templates/capability.h"

namespace tiltyard::disk {

class Guard;

/// What machines write to disk, and what must stay free of it.
class Capability final : public house::Capability, public labs::HasVeto {
 public:
  Capability(apart::Capability& apart, labs::Capability& labs, templates::Capability& templates);
  ~Capability() override;

  std::string_view name() const override { return "disk"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  bus::EventKinds events() const override { return disk::events::kAll; }
  metrics::Metrics measures() const override { return disk::measures::kAll; }
  /// Without it nobody would be safe.
  std::vector<house::Switch> switches() const override { return {}; }
  Result<> make(house::Ground& ground) override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  Result<> may_start() const override;
  const Options& options() const { return options_; }

 private:
  apart::Capability& apart_;
  labs::Capability& labs_;
  templates::Capability& templates_;
  Options options_;
  std::unique_ptr<Guard> guard_;
};

}  // namespace tiltyard::disk
