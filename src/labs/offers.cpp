#include "labs/offers.h"

#include <fmt/format.h>

#include <algorithm>

#include "templates/templates.h"

namespace tiltyard::labs {
namespace {

/// 0 is no bound, as everywhere in engine::Resources.
template <class Number>
Number within(Number wanted, Number most) {
  return most > 0 ? std::min(wanted, most) : wanted;
}

}  // namespace

asio::awaitable<Result<>> Offers::load() {
  auto overrides = co_await rows_.overrides();
  if (!overrides) co_return fail(std::move(overrides.error()));
  overrides_ = std::move(*overrides);
  co_return Result<>{};
}

Result<std::shared_ptr<const templates::Template>> Offers::startable(const TemplateId& id) const {
  auto entry = parts_.catalogue.find(id);
  if (!entry) {
    return fail(Code::kNotFound, "template-unknown", fmt::format("There is no template '{}'.", id.str().substr(0, 80)));
  }
  auto tmpl = overridden(entry->tmpl);
  switch (entry->state) {
    case templates::State::kBroken:
      return fail(Code::kConflict, "template-broken", "This template is broken: " + entry->reason);
    case templates::State::kBuilding:
    case templates::State::kWaiting:
      return fail(Code::kConflict, "template-not-ready", "This template's images are not there yet: " + entry->reason);
    default:
      break;
  }
  if (!tmpl->active) {
    return fail(Code::kConflict, "template-inactive", "This template is switched off at the moment.");
  }
  return tmpl;
}

const Override* Offers::override_of(const TemplateId& id) const {
  const auto found = overrides_.find(id);
  return found == overrides_.end() ? nullptr : &found->second;
}

std::shared_ptr<const templates::Template> Offers::overridden(std::shared_ptr<const templates::Template> tmpl) const {
  const auto* change = override_of(tmpl->id);
  if (!change) return tmpl;
  // One for all who ask: instances hold on to it.
  auto& known = changed_[tmpl->id];
  if (known.of == tmpl) return known.changed;
  auto changed = std::make_shared<templates::Template>(*tmpl);
  changed->active = change->active.value_or(changed->active);
  changed->max_instances = change->max_instances.value_or(changed->max_instances);
  changed->pool.min = change->pool_min.value_or(changed->pool.min);
  changed->pool.max = std::max(change->pool_max.value_or(changed->pool.max), changed->pool.min);
  if (change->timeout) {
    changed->lease.timeout = *change->timeout;
    changed->lease.follow_timeout();
  }
  changed->lease.extend_by = change->extend_by.value_or(changed->lease.extend_by);
  // The configuration may have become stricter since.
  const auto& most = parts_.catalogue.ceiling();
  for (auto& service : changed->services) {
    auto& resources = service.machine.resources;
    if (change->cpus) resources.cpus = within(*change->cpus, most.cpus);
    if (change->pids) resources.pids = within<std::int64_t>(*change->pids, most.pids);
    if (change->memory) resources.memory = resources.memory_swap = within<std::int64_t>(*change->memory, most.memory);
  }
  known = {std::move(tmpl), changed};
  return changed;
}

asio::awaitable<Result<>> Offers::set_override(TemplateId id, Override change, bus::Event event) {
  auto saved = co_await rows_.set_override(id, change, std::move(event));
  if (!saved) co_return saved;
  overrides_[id] = std::move(change);
  changed_.erase(id);
  co_return Result<>{};
}

}  // namespace tiltyard::labs
