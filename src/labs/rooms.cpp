// What people see of instances and templates over rooms.
#include "labs/rooms.h"

#include "labs/view.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using identity::Principal;
using identity::Role;
using realtime::RoomKind;
using Sources = std::shared_ptr<const RoomSources>;
using Key = Result<std::string>;

constexpr std::string_view kAll = "all";
constexpr std::size_t kMostShown = 1000;  ///< instances in one snapshot

std::unexpected<Error> forbidden() { return fail(Code::kForbidden, "forbidden", "This room is for staff."); }
std::unexpected<Error> unknown() { return fail(Code::kNotFound, "room-unknown", "There is no such room."); }

bool staff(const Principal& who) { return who.staff() && who.may(identity::Scope::kAdmin); }

/// "instances:mine", and for staff "instances:all".
asio::awaitable<Key> admit_to_instances(Principal who, std::string rest) {
  if (rest == "mine") co_return "owner/" + who.owner();
  if (rest != kAll) co_return unknown();
  if (!staff(who)) co_return forbidden();
  co_return std::string(kAll);
}

asio::awaitable<Result<json::value>> instances_of(Sources sources, std::string key) {
  json::array items;
  bool more = false;
  for (const auto& live : sources->labs.all_live()) {
    const auto& instance = live->instance;
    // What waits in a pool is nobody's yet.
    if (instance.owner.empty() || (key != kAll && key != "owner/" + instance.owner)) continue;
    more = items.size() >= kMostShown;
    if (more) break;
    items.push_back(instance_view(sources->labs, instance, sources->address));
  }
  co_return json::value{{"instances", std::move(items)}, {"more", more}};
}

/// What happened, and how the instance looks now.
asio::awaitable<std::optional<json::object>> instance_news(Sources sources, bus::Event event, long long seq) {
  json::object told{
      {"id", event.subject}, {"kind", event.kind->name}, {"at", to_rfc3339(event.at)}, {"instance", nullptr}};
  if (seq > 0) told["seq"] = std::to_string(seq);
  auto found = co_await sources->labs.find(InstanceId(event.subject));
  if (found && *found) told["instance"] = instance_view(sources->labs, **found, sources->address);
  co_return told;
}

RoomKind instances(Sources sources) {
  RoomKind kind;
  kind.name = "instances";
  kind.event = "instance";
  kind.admit = admit_to_instances;
  kind.snapshot = [sources](std::string key) { return instances_of(sources, std::move(key)); };
  kind.history = [](const std::string& key) {
    return realtime::LogFilter{"instance.", key == kAll ? "" : key.substr(6)};
  };
  kind.places = [](const bus::Event& event) -> std::vector<std::string> {
    if (!event.kind->name.starts_with("instance.") || event.owner.empty()) return {};
    return {"owner/" + event.owner, std::string(kAll)};
  };
  kind.news = [sources](bus::Event event, std::string, long long seq) {
    return instance_news(sources, std::move(event), seq);
  };
  return kind;
}

asio::awaitable<Key> admit_to_templates(Principal who, std::string rest) {
  if (!rest.empty()) co_return unknown();
  co_return std::string(who.at_least(Role::kAuthor) ? "staff" : "players");
}

bool shown(const Sources& sources, const templates::Entry& entry, const std::string& key) {
  return key == "staff" || sources->labs.overridden(entry.tmpl)->active;
}

asio::awaitable<Result<json::value>> templates_for(Sources sources, std::string key) {
  json::array items;
  for (const auto& entry : sources->catalogue.list()) {
    if (shown(sources, entry, key)) items.push_back(template_view(sources->labs, entry, key == "staff"));
  }
  co_return json::value{{"templates", std::move(items)}};
}

/// `template` is null when it is gone, or gone from sight.
asio::awaitable<std::optional<json::object>> template_news(Sources sources, bus::Event event, std::string key) {
  json::object told{
      {"id", event.subject}, {"kind", event.kind->name}, {"at", to_rfc3339(event.at)}, {"template", nullptr}};
  const auto entry = sources->catalogue.find(TemplateId(event.subject));
  if (entry && shown(sources, *entry, key)) told["template"] = template_view(sources->labs, *entry, key == "staff");
  co_return told;
}

RoomKind templates_room(Sources sources) {
  RoomKind kind;
  kind.name = "templates";
  kind.event = "template";
  kind.admit = admit_to_templates;
  kind.snapshot = [sources](std::string key) { return templates_for(sources, std::move(key)); };
  kind.places = [](const bus::Event& event) -> std::vector<std::string> {
    if (!event.kind->name.starts_with("template.")) return {};
    return {"staff", "players"};
  };
  kind.news = [sources](bus::Event event, std::string key, long long) {
    return template_news(sources, std::move(event), std::move(key));
  };
  return kind;
}

}  // namespace

std::vector<RoomKind> rooms_of(RoomSources from) {
  const auto sources = std::make_shared<const RoomSources>(std::move(from));
  return {instances(sources), templates_room(sources)};
}

}  // namespace tiltyard::labs
