// The farm's routes: parse, call, answer.
#include "farm/state.h"

namespace tiltyard::farm {
namespace {

using http::Access;
using http::Request;
using http::Response;

std::unexpected<Error> off() { return fail(Code::kNotFound, "farm-off", "This server has no flag farm: name its configuration with farm.config."); }

asio::awaitable<Result<Response>> answer_off(Request) { co_return off(); }

}  // namespace

void Service::add_routes(http::Router& router) {
  const auto add = [&](std::string method, std::string pattern, Access access) { router.add({std::move(method), std::move(pattern), access, answer_off, kMostPostBytes}); };
  add("POST", "/api/v1/farm/flags", Access::kAuthor);
  add("GET", "/api/v1/farm/flags", Access::kAuthor);
  add("POST", "/api/v1/farm/flags/text", Access::kAuthor);
  add("GET", "/api/v1/farm/flags/{id}", Access::kAuthor);
  add("POST", "/api/v1/farm/lease", Access::kOperator);
  add("POST", "/api/v1/farm/lease/{lease}/extend", Access::kOperator);
  add("POST", "/api/v1/farm/verdicts", Access::kOperator);
  add("GET", "/api/v1/farm/stats", Access::kAuthor);
  add("GET", "/api/v1/farm/series", Access::kAuthor);
  add("GET", "/api/v1/farm/teams", Access::kAuthor);
  add("GET", "/api/v1/farm/attack-data", Access::kAuthor);
  add("GET", "/api/v1/farm/attack-data/{part}", Access::kAuthor);
  add("GET", "/api/v1/farm/config", Access::kOperator);
  add("PUT", "/api/v1/farm/config", Access::kOperator);
  add("GET", "/api/get_config", Access::kOpen);
  add("POST", "/api/post_flags", Access::kOpen);
}

}  // namespace tiltyard::farm
