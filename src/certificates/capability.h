#pragma once

#include <memory>

#include "certificates/certificates.h"
#include "certificates/events.h"
#include "certificates/measures.h"
#include "house/capability.h"

namespace tiltyard::certificates {

/// Certificates from an ACME CA.
class Capability final : public house::Capability {
 public:
  std::string_view name() const override { return "certificates"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<store::Migration> migrations() const override { return certificates::migrations(); }
  /// Without them nobody gets in.
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return certificates::events::kAll; }
  metrics::Metrics measures() const override { return certificates::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override { add_routes(routes, *service_); }
  asio::awaitable<Result<>> start() override { return service_->start(); }
  asio::awaitable<Result<>> open() override { return service_->open(); }

  Service& service() { return *service_; }
  const Options& options() const { return options_; }

 private:
  Options options_;
  std::unique_ptr<Service> service_;
};

}  // namespace tiltyard::certificates
