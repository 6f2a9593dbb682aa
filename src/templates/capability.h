#pragma once

#include <memory>

#include "house/capability.h"
#include "templates/events.h"
#include "templates/templates.h"

namespace tiltyard::templates {

/// What can be started. Its routes are those of labs, which says what staff have changed of a template.
class Capability final : public house::Capability {
 public:
  std::string_view name() const override { return "templates"; }
  std::vector<house::Switch> switches() const override { return {}; }
  bus::EventKinds events() const override { return templates::events::kAll; }
  Result<> make(house::Ground& ground) override;
  asio::awaitable<Result<>> start() override;
  asio::awaitable<Result<>> open() override;
  asio::awaitable<void> close() override;

  Catalogue& catalogue() { return *catalogue_; }

 private:
  std::unique_ptr<Catalogue> catalogue_;
};

}  // namespace tiltyard::templates
