#include "board/capability.h"

#include "board/board.h"
#include "house/ground.h"
#include "identity/scopes.h"

namespace tiltyard::board {
namespace {

constexpr std::chrono::milliseconds kPace{500};

asio::awaitable<Result<std::string>> admit(const house::Declared* same, identity::Principal who, std::string rest) {
  if (!rest.empty()) co_return fail(Code::kNotFound, "room-unknown", "There is no such room.");
  if (!identity::may_call(who, same->rights)) co_return fail(Code::kForbidden, "forbidden", "This room is for staff.");
  co_return std::string();
}

asio::awaitable<Result<boost::json::value>> snapshot(const jobs::Service* jobs) {
  co_return boost::json::object{{"kinds", kinds_json(*jobs)}};
}

}  // namespace

Result<> Capability::make(house::Ground& ground) {
  jobs_ = &ground.jobs;
  return {};
}

void Capability::routes(house::Routes& routes) { add_routes(routes, *jobs_); }

/// The board of jobs as this server sees it.
std::vector<realtime::RoomKind> Capability::rooms(const house::Routes& routes) {
  realtime::RoomKind kind;
  kind.name = "jobs";
  kind.event = "snapshot";
  kind.admit = [same = routes.find("GET", "/api/v1/admin/jobs/kinds")](identity::Principal who, std::string rest) {
    return admit(same, std::move(who), std::move(rest));
  };
  kind.snapshot = [jobs = jobs_](std::string) { return snapshot(jobs); };
  kind.pace = kPace;
  return {std::move(kind)};
}

}  // namespace tiltyard::board
