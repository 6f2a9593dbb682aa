// What staff changed about templates at run time; it is kept in a table that labs made first.
#include <fmt/format.h>
#include <soci/soci.h>

#include <boost/json.hpp>

#include <algorithm>

#include "base/json.h"
#include "bus/event_log.h"
#include "store/store.h"
#include "templates/events.h"
#include "templates/templates.h"

namespace tiltyard::templates {
namespace {

namespace json = boost::json;

std::string to_json(const Override& change) {
  json::object out;
  if (change.active) out["active"] = *change.active;
  if (change.max_instances) out["max_instances"] = *change.max_instances;
  if (change.pool_min) out["pool_min"] = *change.pool_min;
  if (change.pool_max) out["pool_max"] = *change.pool_max;
  if (change.cpus) out["cpus"] = *change.cpus;
  if (change.memory) out["memory"] = *change.memory;
  if (change.pids) out["pids"] = *change.pids;
  if (change.timeout) out["timeout"] = change.timeout->count();
  if (change.extend_by) out["extend_by"] = change.extend_by->count();
  return json::serialize(out);
}

Result<Override> parse_override(std::string_view text) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  const auto* root = error ? nullptr : value.if_object();
  if (!root)
    return fail(Code::kInternal, "row-unreadable", "A change of a template cannot be read.", std::string(text));
  Override change;
  if (root->contains("active")) change.active = flag_of(*root, "active");
  if (root->contains("max_instances")) change.max_instances = static_cast<int>(number_of(*root, "max_instances"));
  if (root->contains("pool_min")) change.pool_min = static_cast<int>(number_of(*root, "pool_min"));
  if (root->contains("pool_max")) change.pool_max = static_cast<int>(number_of(*root, "pool_max"));
  if (const auto* cpus = root->if_contains("cpus"); cpus && cpus->is_number()) change.cpus = cpus->to_number<double>();
  if (root->contains("memory")) change.memory = number_of(*root, "memory");
  if (root->contains("pids")) change.pids = number_of(*root, "pids");
  if (root->contains("timeout")) change.timeout = std::chrono::seconds{number_of(*root, "timeout")};
  if (root->contains("extend_by")) change.extend_by = std::chrono::seconds{number_of(*root, "extend_by")};
  return change;
}

/// 0 is no bound, as everywhere in engine::Resources.
template <class Number>
Number within(Number wanted, Number most) {
  return most > 0 ? std::min(wanted, most) : wanted;
}

}  // namespace

asio::awaitable<Result<>> Offers::load() {
  auto work = [](soci::session& sql) -> Result<std::map<TemplateId, Override>> {
    std::map<TemplateId, Override> out;
    const soci::rowset<soci::row> rows = (sql.prepare << "SELECT template, change FROM template_overrides");
    for (const auto& row : rows) {
      auto change = parse_override(row.get<std::string>(1));
      if (!change) return fail(std::move(change.error()));
      out.emplace(TemplateId(row.get<std::string>(0)), *change);
    }
    return out;
  };
  auto overrides = co_await store_.read(std::move(work));
  if (!overrides) co_return fail(std::move(overrides.error()));
  overrides_ = std::move(*overrides);
  co_return Result<>{};
}

Result<std::shared_ptr<const Template>> Offers::startable(const TemplateId& id) const {
  auto entry = catalogue_.find(id);
  if (!entry) {
    return fail(Code::kNotFound, "template-unknown", fmt::format("There is no template '{}'.", id.str().substr(0, 80)));
  }
  auto tmpl = overridden(entry->tmpl);
  switch (entry->state) {
    case State::kBroken:
      return fail(Code::kConflict, "template-broken", "This template is broken: " + entry->reason);
    case State::kBuilding:
    case State::kWaiting:
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

std::shared_ptr<const Template> Offers::overridden(std::shared_ptr<const Template> tmpl) const {
  const auto* change = override_of(tmpl->id);
  if (!change) return tmpl;
  // One for all who ask: instances hold on to it.
  auto& known = changed_[tmpl->id];
  if (known.of == tmpl) return known.changed;
  auto changed = std::make_shared<Template>(*tmpl);
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
  const auto& most = catalogue_.ceiling();
  for (auto& service : changed->services) {
    auto& resources = service.machine.resources;
    if (change->cpus) resources.cpus = within(*change->cpus, most.cpus);
    if (change->pids) resources.pids = within<std::int64_t>(*change->pids, most.pids);
    if (change->memory) resources.memory = resources.memory_swap = within<std::int64_t>(*change->memory, most.memory);
  }
  known = {std::move(tmpl), changed};
  return changed;
}

asio::awaitable<Result<>> Offers::change(TemplateId id, Override change, bus::Actor actor) {
  bus::Event event{events::kOverride, id.str(), "", std::move(actor), clock_.now(), to_json(change)};
  auto work = [key = id.str(), event](soci::session& sql) -> Result<> {
    sql << "DELETE FROM template_overrides WHERE template = :template", soci::use(key);
    sql << "INSERT INTO template_overrides (template, change) VALUES (:template, :change)", soci::use(key),
        soci::use(event.detail);
    return bus::record(sql, event);
  };
  auto saved = co_await store_.write(std::move(work));
  if (!saved) co_return saved;
  overrides_[id] = change;
  changed_.erase(id);
  if (heard_) heard_(id);
  event.kind = events::kChanged;
  event.detail = "{}";
  bus_.publish(event);
  co_return Result<>{};
}

}  // namespace tiltyard::templates
