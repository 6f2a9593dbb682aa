// What people see of templates over rooms.
#include <boost/json.hpp>

#include "templates/rooms.h"

namespace tiltyard::templates {
namespace {

namespace json = boost::json;
using identity::Principal;
using identity::Role;
using realtime::RoomKind;
using Sources = std::shared_ptr<const Shown>;

asio::awaitable<Result<std::string>> admit_to_templates(Principal who, std::string rest) {
  if (!rest.empty()) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  co_return std::string(who.at_least(Role::kAuthor) ? "staff" : "players");
}

asio::awaitable<Result<json::value>> templates_for(Sources sources, std::string key) {
  json::array items;
  for (const auto& entry : sources->offers.catalogue().list()) {
    if (is_shown(*sources, entry, key == "staff")) items.push_back(view(*sources, entry, key == "staff"));
  }
  co_return json::value{{"templates", std::move(items)}};
}

/// `template` is null when it is gone, or gone from sight.
asio::awaitable<std::optional<json::object>> template_news(Sources sources, bus::Event event, std::string key) {
  json::object told{
      {"id", event.subject}, {"kind", event.kind->name}, {"at", to_rfc3339(event.at)}, {"template", nullptr}};
  const auto entry = sources->offers.catalogue().find(TemplateId(event.subject));
  if (entry && is_shown(*sources, *entry, key == "staff")) told["template"] = view(*sources, *entry, key == "staff");
  co_return told;
}

}  // namespace

RoomKind room_of(Shown from) {
  const auto sources = std::make_shared<const Shown>(std::move(from));
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

}  // namespace tiltyard::templates
