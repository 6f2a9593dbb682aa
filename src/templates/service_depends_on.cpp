// `depends_on`, and `links`, which is the older word for it: which machine is started after which, and how far the
// other must be then. labs/steps_machines.cpp keeps to it.
#include <fmt/format.h>

#include <algorithm>

#include "templates/keys.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

void add_dependency(const std::string& name, DependsOn how, bool required, const Place& place, ReadContext& context,
                    ReadService& out) {
  if (!context.services.contains(name)) {
    if (required)
      context.problems.error(
          place, fmt::format("\"{}\" depends on \"{}\", which is no service", out.service.name, printable(name)));
    return;
  }
  out.service.depends_on[name] = how;
  out.dependency_places.insert_or_assign(name, place);
  if (!required) out.service.optional_depends.push_back(name);
}

void read_links(const Node& service, ReadContext& context, ReadService& out) {
  const Node* links = service.find("links");
  if (!links) return;
  for (const Node* item : as_list(*links, "links", context)) {
    const auto text = as_text(*item, "links", context, 200);
    if (!text) continue;
    const auto colon = text->find(':');
    const std::string name = text->substr(0, colon);
    if (!out.service.depends_on.contains(name))
      add_dependency(name, DependsOn::kStarted, true, item->place, context, out);
    const std::string alias = colon == std::string::npos ? name : text->substr(colon + 1);
    if (alias == name || !context.services.contains(name)) continue;
    if (is_name(alias)) out.service.extra_hosts.emplace_back(alias, name);
    else context.problems.error(item->place, fmt::format("\"{}\" is no host name", printable(alias)));
  }
}

void read_mounts_of_others(ReadContext& context, ReadService& out) {
  for (const auto& [name, read_only] : out.mounts_of) {
    if (!out.service.depends_on.contains(name))
      add_dependency(name, DependsOn::kStarted, true, out.place, context, out);
  }
}

/// A dependency that leads back to where it started.
class CycleFinder {
 public:
  explicit CycleFinder(const std::vector<ReadService>& services) {
    for (const auto& service : services) by_name_[service.service.name] = &service;
  }

  void run(ReadContext& context) {
    for (const auto& [name, service] : by_name_) visit(*service, context);
  }

 private:
  void visit(const ReadService& service, ReadContext& context) {
    const std::string& name = service.service.name;
    if (done_.contains(name)) return;
    path_.push_back(name);
    for (const auto& [next, how] : service.service.depends_on) {
      const auto start = std::ranges::find(path_, next);
      const auto found = by_name_.find(next);
      if (start != path_.end()) {
        std::string ring;
        for (auto it = start; it != path_.end(); ++it) ring += *it + " → ";
        context.problems.error(service.dependency_places.at(next),
                               fmt::format("the dependencies run in a circle: {}{}", ring, next));
      } else if (found != by_name_.end()) {
        visit(*found->second, context);
      }
    }
    path_.pop_back();
    done_.insert(name);
  }

  std::map<std::string, const ReadService*> by_name_;
  std::vector<std::string> path_;
  std::set<std::string> done_;
};

}  // namespace

void read_depends_on(const Node& service, ReadContext& context, ReadService& out) {
  const Node* said = service.find("depends_on");
  if (said && said->is_map()) {
    for (const auto& [name, place, options] : said->members) {
      DependsOn how = DependsOn::kStarted;
      bool required = true;
      if (!options.is_null() && want_map(options, "depends_on", context)) {
        check_keys(options, "service.depends_on", context.problems);
        const std::string condition = text_at(options, "condition", context, 40).value_or("service_started");
        required = bool_at(options, "required", context).value_or(true);
        if (condition == "service_healthy") how = DependsOn::kHealthy;
        else if (condition == "service_completed_successfully") how = DependsOn::kCompleted;
        else if (condition != "service_started") {
          context.problems.error(place, fmt::format("condition \"{}\" is not known; there are service_started, "
                                                    "service_healthy and service_completed_successfully",
                                                    printable(condition)));
        }
      }
      add_dependency(name, how, required, place, context, out);
    }
  } else if (said) {
    for (const Node* item : as_list(*said, "depends_on", context)) {
      if (const auto name = as_text(*item, "depends_on", context, 200))
        add_dependency(*name, DependsOn::kStarted, true, item->place, context, out);
    }
  }
  read_links(service, context, out);
  read_mounts_of_others(context, out);
}

void check_circles(const std::vector<ReadService>& services, ReadContext& context) {
  CycleFinder(services).run(context);
}

void drop_dependencies(std::vector<ReadService>& services, const std::set<std::string>& active,
                       const std::map<std::string, std::string>& profiles, ReadContext& context) {
  for (auto& service : services) {
    auto& depends = service.service.depends_on;
    for (auto it = depends.begin(); it != depends.end();) {
      if (active.contains(it->first)) {
        ++it;
        continue;
      }
      const bool optional =
          std::ranges::find(service.service.optional_depends, it->first) != service.service.optional_depends.end();
      if (!optional) {
        context.problems.error(
            service.dependency_places.at(it->first),
            fmt::format(
                "\"{}\" depends on \"{}\", whose profile is not active: say profiles = [\"{}\"] in instance.toml, "
                "or COMPOSE_PROFILES in .env",
                service.service.name, it->first, profiles.at(it->first)));
      }
      std::erase(service.service.optional_depends, it->first);
      it = depends.erase(it);
    }
  }
}

void check_health_waits(const std::vector<ReadService>& services, ReadContext& context) {
  for (const auto& one : services) {
    for (const auto& [name, how] : one.service.depends_on) {
      const auto target =
          std::ranges::find(services, name, [](const ReadService& service) { return service.service.name; });
      if (how != DependsOn::kHealthy || target == services.end()) continue;
      const auto& health = target->service.container.health;
      if (health && health->disabled) {
        context.problems.error(one.dependency_places.at(name),
                               fmt::format("\"{}\" waits for \"{}\" to be healthy, whose healthcheck is disabled",
                                           one.service.name, name));
      }
    }
  }
}

}  // namespace tiltyard::templates
