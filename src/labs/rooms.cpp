// What people see of instances over rooms.
#include "labs/rooms.h"

#include "labs/view.h"

namespace tiltyard::labs {
namespace {

namespace json = boost::json;
using identity::Principal;
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

}  // namespace

std::vector<RoomKind> rooms_of(RoomSources from) {
  const auto sources = std::make_shared<const RoomSources>(std::move(from));
  return {instances(sources)};
}

}  // namespace tiltyard::labs
