#pragma once

#include <map>
#include <memory>

#include "labs/ground.h"
#include "templates/model.h"

namespace tiltyard::labs {

/// The templates as they can be started here: with what operators changed about them at run time (row 1.1).
class Offers : OnGround {
 public:
  explicit Offers(Ground& ground) : OnGround(ground) {}

  asio::awaitable<Result<>> load();
  /// A template with its overrides: `template-unknown`, `template-broken`, `template-not-ready`, `template-inactive`.
  Result<std::shared_ptr<const templates::Template>> startable(const TemplateId& id) const;
  std::shared_ptr<const templates::Template> overridden(std::shared_ptr<const templates::Template> tmpl) const;
  const Override* override_of(const TemplateId& id) const;
  /// On disk when it returns.
  asio::awaitable<Result<>> set_override(TemplateId id, Override change, bus::Event event);

 private:
  struct Overridden {
    std::shared_ptr<const templates::Template> of, changed;
  };

  std::map<TemplateId, Override> overrides_;
  mutable std::map<TemplateId, Overridden> changed_;
};

}  // namespace tiltyard::labs
