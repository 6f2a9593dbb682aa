#pragma once

#include <memory>

#include "house/capability.h"
#include "realtime/realtime.h"
#include "templates/built_images.h"
#include "templates/events.h"
#include "templates/measures.h"
#include "templates/templates.h"

namespace tiltyard::templates {

/// What can be started, with what staff have changed about it.
class Capability final : public house::Capability, public realtime::HasRooms {
 public:
  std::string_view name() const override { return "templates"; }
  void keys(config::Keys& keys) override { declare_keys(keys, options_); }
  std::vector<limits::Limiter> limiters() const override;
  /// Where labs is switched off nobody sees its page; what there would be to start is no secret.
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return templates::events::kAll; }
  metrics::Metrics measures() const override { return templates::measures::kAll; }
  void words(cli::Words& words) override;
  Result<> make(house::Ground& ground) override;
  void routes(house::Routes& routes) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  std::vector<realtime::RoomKind> rooms(const house::Routes& routes) override;

  Catalogue& catalogue() { return *catalogue_; }
  Offers& offers() { return *offers_; }
  /// How a template looks in the API, once all capabilities are made.
  boost::json::object view(const Entry& entry, bool for_staff) const;
  const Options& options() const { return options_; }

 private:
  Options options_ = site_options();
  house::Ground* ground_ = nullptr;
  std::unique_ptr<Catalogue> catalogue_;
  std::unique_ptr<Offers> offers_;
  std::unique_ptr<BuiltImages> built_;
  std::vector<HasFacts*> facts_;
};

}  // namespace tiltyard::templates
