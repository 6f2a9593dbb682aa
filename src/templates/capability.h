#pragma once

#include <memory>

#include "house/capability.h"
#include "templates/events.h"
#include "templates/measures.h"
#include "templates/templates.h"

namespace tiltyard::templates {

/// What can be started. Its routes are those of labs, which says what staff have changed of a template.
class Capability final : public house::Capability {
 public:
  std::string_view name() const override { return "templates"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return templates::events::kAll; }
  metrics::Metrics measures() const override { return templates::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  Catalogue& catalogue() { return *catalogue_; }
  const Options& options() const { return options_; }

 private:
  Options options_ = site_options();
  std::unique_ptr<Catalogue> catalogue_;
};

}  // namespace tiltyard::templates
