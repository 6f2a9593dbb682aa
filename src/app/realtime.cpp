#include "app/realtime.h"

#include "audit/audit.h"
#include "farm/model.h"
#include "identity/permissions.h"
#include "jobs/http.h"

namespace tiltyard::app {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using identity::Principal;
using identity::Role;
using realtime::RoomKind;
using Sources = std::shared_ptr<const RoomSources>;
using Key = Result<std::string>;

constexpr std::string_view kAll = "all";
constexpr std::chrono::milliseconds kFarmPace{250}, kBoardPace{500};
constexpr std::size_t kMostShown = 1000;  ///< instances in one snapshot

std::unexpected<Error> forbidden() { return fail(Code::kForbidden, "forbidden", "This room is for staff."); }
std::unexpected<Error> unknown() { return fail(Code::kNotFound, "room-unknown", "There is no such room."); }

bool staff(const Principal& who) { return who.staff() && who.may(identity::Scope::kAdmin); }

/// Whoever may read what a room shows may be in it: as the permission table has it for the route with the same.
bool may_read(const Principal& who, std::string_view pattern) {
  const auto* needed = identity::permission_of("GET", pattern);
  if (needed == nullptr) return false;
  const auto least = identity::least_role(needed->access);
  return (!least || who.at_least(*least)) && who.may(needed->scope);
}

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
    items.push_back(labs::instance_view(sources->labs, instance, sources->address));
  }
  co_return json::value{{"instances", std::move(items)}, {"more", more}};
}

/// What happened, and how the instance looks now.
asio::awaitable<std::optional<json::object>> instance_news(Sources sources, bus::Event event, long long seq) {
  json::object told{
      {"id", event.subject}, {"kind", event.kind->name}, {"at", to_rfc3339(event.at)}, {"instance", nullptr}};
  if (seq > 0) told["seq"] = std::to_string(seq);
  auto found = co_await sources->labs.find(InstanceId(event.subject));
  if (found && *found) told["instance"] = labs::instance_view(sources->labs, **found, sources->address);
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
    if (shown(sources, entry, key)) items.push_back(labs::template_view(sources->labs, entry, key == "staff"));
  }
  co_return json::value{{"templates", std::move(items)}};
}

/// `template` is null when it is gone, or gone from sight.
asio::awaitable<std::optional<json::object>> template_news(Sources sources, bus::Event event, std::string key) {
  json::object told{
      {"id", event.subject}, {"kind", event.kind->name}, {"at", to_rfc3339(event.at)}, {"template", nullptr}};
  const auto entry = sources->catalogue.find(TemplateId(event.subject));
  if (entry && shown(sources, *entry, key))
    told["template"] = labs::template_view(sources->labs, *entry, key == "staff");
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

/// The event log, as far as its reader may see it.
asio::awaitable<Key> admit_to_events(Principal who, std::string rest) {
  if (!rest.empty()) co_return unknown();
  if (!may_read(who, "/api/v1/admin/events")) co_return forbidden();
  co_return std::string(who.at_least(Role::kAdmin) ? "admins" : "operators");
}

asio::awaitable<std::optional<json::object>> logged(bus::Event event, long long seq) {
  co_return audit::event_view(seq, event);
}

RoomKind events() {
  RoomKind kind;
  kind.name = "events";
  kind.event = "event";
  kind.admit = admit_to_events;
  kind.history = [](const std::string&) { return realtime::LogFilter{}; };
  kind.places = [](const bus::Event& event) -> std::vector<std::string> {
    if (event.kind->rows == bus::Rows::kNone) return {};
    if (event.kind->readers == bus::Readers::kAdmins) return {"admins"};
    return {"admins", "operators"};
  };
  kind.news = [](bus::Event event, std::string, long long seq) { return logged(std::move(event), seq); };
  return kind;
}

/// "chat:lobby" is everybody's, "chat:team" that of one's own team.
asio::awaitable<Key> admit_to_chat(Principal who, std::string rest) {
  if (rest == "lobby") co_return std::move(rest);
  if (rest != "team") co_return unknown();
  if (!who.team) co_return fail(Code::kForbidden, "team-missing", "You are in no team.");
  co_return "team/" + who.team->str();
}

RoomKind chat() {
  RoomKind kind;
  kind.name = "chat";
  kind.event = "message";
  kind.admit = admit_to_chat;
  kind.talk = true;
  return kind;
}

/// Whoever may read the farm's figures; while there is no farm, there is no room.
asio::awaitable<Key> admit_to_farm(Sources sources, Principal who, std::string rest) {
  if (!rest.empty() || !sources->farm.on()) co_return unknown();
  if (!may_read(who, "/api/v1/farm/stats")) co_return forbidden();
  co_return std::string();
}

asio::awaitable<Result<json::value>> farm_totals(Sources sources) {
  const auto totals = sources->farm.totals();
  json::object out{{"total", totals.total()}};
  for (std::size_t i = 0; i < farm::kStatuses; ++i)
    out[farm::to_string(static_cast<farm::Status>(i))] = totals.by_status[i];
  co_return out;
}

RoomKind farm_room(Sources sources) {
  RoomKind kind;
  kind.name = "farm";
  kind.event = "snapshot";
  kind.admit = [sources](Principal who, std::string rest) {
    return admit_to_farm(sources, std::move(who), std::move(rest));
  };
  kind.snapshot = [sources](std::string) { return farm_totals(sources); };
  kind.pace = kFarmPace;
  return kind;
}

asio::awaitable<Key> admit_to_jobs(Principal who, std::string rest) {
  if (!rest.empty()) co_return unknown();
  if (!may_read(who, "/api/v1/admin/jobs/kinds")) co_return forbidden();
  co_return std::string();
}

asio::awaitable<Result<json::value>> board_of(Sources sources) {
  co_return json::object{{"kinds", jobs::kinds_json(sources->jobs)}};
}

/// The board of jobs as this server sees it.
RoomKind jobs_room(Sources sources) {
  RoomKind kind;
  kind.name = "jobs";
  kind.event = "snapshot";
  kind.admit = admit_to_jobs;
  kind.snapshot = [sources](std::string) { return board_of(sources); };
  kind.pace = kBoardPace;
  return kind;
}

}  // namespace

realtime::Options realtime_options(const config::Settings& from) {
  realtime::Options options;
  options.ping_interval = from.realtime.ping_interval;
  options.ping_timeout = from.realtime.ping_timeout;
  options.backlog = static_cast<std::size_t>(from.realtime.backlog);
  options.max_connections = static_cast<std::size_t>(from.realtime.max_connections);
  options.connections_per_user = static_cast<std::size_t>(from.realtime.connections_per_user);
  options.history = static_cast<std::size_t>(from.realtime.history);
  options.origins = from.realtime.origins;
  options.prefix = from.redis.prefix;
  options.redis = from.redis.url;
  return options;
}

void add_rooms(realtime::Service& service, RoomSources from) {
  const auto sources = std::make_shared<const RoomSources>(std::move(from));
  service.add(instances(sources));
  service.add(templates_room(sources));
  service.add(events());
  service.add(chat());
  service.add(farm_room(sources));
  service.add(jobs_room(sources));
}

}  // namespace tiltyard::app
