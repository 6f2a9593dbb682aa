#pragma once

#include <memory>

#include "bus/bus.h"
#include "house/capability.h"
#include "labs/capability.h"
#include "traefik/exporter.h"
#include "traefik/measures.h"
#include "traefik/options.h"

namespace tiltyard::traefik {

/// The routes of all instances in the Redis of a Traefik in front (row 2.5).
class Capability final : public house::Capability {
 public:
  explicit Capability(labs::Capability& labs) : labs_(labs) {}

  std::string_view name() const override { return "traefik"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  metrics::Metrics measures() const override { return traefik::measures::kAll; }
  /// It has no routes or pages.
  std::vector<house::Switch> switches() const override { return {}; }
  Result<> make(house::Ground& ground) override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;
  const Options& options() const { return options_; }

 private:
  std::vector<Exported> endpoints() const;
  Gateway gateway() const;

  labs::Capability& labs_;
  house::Ground* ground_ = nullptr;
  Options options_;
  std::unique_ptr<Exporter> exporter_;
  bus::Bus::Subscription news_;
};

}  // namespace tiltyard::traefik
