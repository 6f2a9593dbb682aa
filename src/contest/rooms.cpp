// What people see of contests over rooms.
#include "contest/rooms.h"

#include <boost/json.hpp>

#include "base/json.h"
#include "contest/events.h"

namespace tiltyard::contest {
namespace {

namespace json = boost::json;

asio::awaitable<Result<std::string>> admit(const Service* service, std::string rest) {
  auto running = service->find(rest);
  if (!running) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  co_return rest;
}

json::object detail_in(const bus::Event& event) {
  boost::system::error_code failed;
  auto detail = json::parse(event.detail, failed);
  return failed || !detail.is_object() ? json::object{} : std::move(detail.as_object());
}

std::vector<std::string> places(const bus::Event& event) {
  if (event.kind == events::kAnnounced || event.kind == events::kChanged) return {event.subject};
  if (event.kind == events::kSolved) return {text_of(detail_in(event), "contest")};
  return {};
}

/// A solve is told with the value that it leaves, so that an open board needs nothing else; in the freeze nothing is.
asio::awaitable<std::optional<json::object>> news(Service* service, bus::Event event, std::string key, long long seq) {
  auto running = service->find(key);
  if (!running) co_return std::nullopt;
  const auto now = service->now();
  json::object out{{"seq", seq}, {"at", to_rfc3339(event.at)}};
  if (event.kind == events::kAnnounced) {
    out["kind"] = "announced";
    out["text"] = text_of(detail_in(event), "text");
    co_return out;
  }
  if (event.kind == events::kChanged) {
    out["kind"] = "changed";
    co_return out;
  }
  const auto& contest = *running;
  const auto task = service->shelf().find(event.subject);
  const bool hidden = !task || task->content.hidden || contest->contest.hides(event.at, now) ||
                      service->standing(*contest, event.owner).state != Standing::State::kPlays;
  if (hidden) co_return std::nullopt;
  if (auto caught = co_await service->see_up_to_now(); !caught) co_return std::nullopt;
  // In a freeze also what came before it is told at the values of then.
  const auto& board = contest->shown(now);
  auto name = co_await service->identity().display_name(event.owner);
  out["kind"] = "solved";
  out["challenge"] = event.subject;
  out["challenge_name"] = task->content.name;
  out["value"] = board.value(event.subject);
  out["solves"] = board.solve_count(event.subject);
  out["owner"] = event.owner;
  out["name"] = name ? *name : event.owner;
  const int blood = board.blood(event.subject, event.owner);
  out["blood"] = blood == 0 ? json::value(nullptr) : json::value(blood);
  co_return out;
}

}  // namespace

realtime::RoomKind room_of(Service& service) {
  realtime::RoomKind kind;
  kind.name = "contest";
  kind.event = "contest";
  kind.admit = [&service](identity::Principal, std::string rest) { return admit(&service, std::move(rest)); };
  kind.history = [](const std::string&) { return realtime::LogFilter{"contest.", {}}; };
  kind.places = places;
  kind.news = [&service](bus::Event event, std::string key, long long seq) {
    return news(&service, std::move(event), std::move(key), seq);
  };
  return kind;
}

}  // namespace tiltyard::contest
