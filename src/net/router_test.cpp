#include "net/router.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "net/testing.h"
#include "observe/metrics.h"

namespace tiltyard::http {
namespace {

using testing::run;

class Routes : public ::testing::Test {
 protected:
  void add(std::string method, std::string pattern) {
    auto handler = [pattern](Request) -> asio::awaitable<Result<Response>> { co_return Response::text(200, pattern); };
    router.add({std::move(method), std::move(pattern), Access::kOpen, std::move(handler)});
  }
  std::string found(std::string_view method, std::string_view path) {
    params.clear();
    allowed.clear();
    const Route* route = router.find(method, path, params, allowed);
    return route == nullptr ? "" : route->pattern;
  }
  Response ask(std::string method, std::string path) {
    Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    Response out;
    auto work = [](const Router& to, Request what, Response& answer) -> asio::awaitable<void> {
      answer = co_await to.answer(std::move(what));
    };
    run(loops.net(0), work(router, std::move(request), out));
    return out;
  }

  net::Loops loops{1};
  Router router{loops.home()};
  std::vector<std::pair<std::string, std::string>> params;
  std::vector<std::string> allowed;
};

using R11_5_Router = Routes;

TEST_F(R11_5_Router, LiteralsWinOverParametersAndThoseOverTheRest) {
  add("GET", "/api/v1/instances");
  add("GET", "/api/v1/instances/{id}");
  add("GET", "/api/v1/instances/special");
  add("POST", "/api/v1/instances/{id}/extend");
  add("GET", "/files/{rest...}");
  EXPECT_EQ(found("GET", "/api/v1/instances"), "/api/v1/instances");
  EXPECT_EQ(found("GET", "/api/v1/instances/special"), "/api/v1/instances/special");
  EXPECT_EQ(found("GET", "/api/v1/instances/abc"), "/api/v1/instances/{id}");
  ASSERT_EQ(params.size(), 1u);
  EXPECT_EQ(params[0], (std::pair<std::string, std::string>("id", "abc")));
  EXPECT_EQ(found("POST", "/api/v1/instances/special/extend"), "/api/v1/instances/{id}/extend");
  EXPECT_EQ(params[0].second, "special");
  EXPECT_EQ(found("GET", "/files/a/b/c.txt"), "/files/{rest...}");
  EXPECT_EQ(params[0], (std::pair<std::string, std::string>("rest", "a/b/c.txt")));
  EXPECT_EQ(found("GET", "/api/v1"), "");
  EXPECT_TRUE(allowed.empty());
  EXPECT_EQ(found("HEAD", "/api/v1/instances"), "/api/v1/instances");
}

TEST_F(R11_5_Router, TheWrongMethodIs405WithAllow) {
  add("GET", "/things/{id}");
  add("DELETE", "/things/{id}");
  const Response response = ask("PUT", "/things/1");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("Allow"), "DELETE, GET, HEAD");
  EXPECT_NE(response.body.find("urn:tiltyard:error:method-not-allowed"), std::string::npos);
}

TEST_F(R11_5_Router, UnknownPathsGoToTheFallbackButNeverThoseOfTheApi) {
  router.set_fallback([](const Request& request) { return Response::text(200, "page " + request.path); });
  EXPECT_EQ(ask("GET", "/some/view").body, "page /some/view");
  EXPECT_EQ(ask("HEAD", "/some/view").status, 200);
  EXPECT_EQ(ask("POST", "/some/view").status, 404);
  const Response unknown = ask("GET", "/api/v1/nonsense");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.headers.get("Content-Type"), "application/problem+json");
  EXPECT_NE(unknown.body.find("route-unknown"), std::string::npos);
}

TEST_F(R11_5_Router, AnExceptionIsA500WhoseCauseStaysInside) {
  router.add({"GET", "/throws", Access::kOpen,
              [](Request) -> asio::awaitable<Result<Response>> { throw std::runtime_error("the password is 1234"); }});
  router.add({"GET", "/odd", Access::kOpen, [](Request) -> asio::awaitable<Result<Response>> { throw 7; }});
  router.add({"GET", "/fails", Access::kOpen, [](Request) -> asio::awaitable<Result<Response>> {
                co_return fail(Code::kNotFound, "thing-unknown", "There is no such thing.", "row 17 is gone");
              }});
  const Response thrown = ask("GET", "/throws");
  EXPECT_EQ(thrown.status, 500);
  EXPECT_EQ(thrown.body.find("1234"), std::string::npos);
  const auto trace = std::string(thrown.headers.get("X-Trace-Id"));
  EXPECT_EQ(trace.size(), 32u);
  EXPECT_NE(thrown.body.find(trace), std::string::npos);
  EXPECT_EQ(ask("GET", "/odd").status, 500);
  const Response failed = ask("GET", "/fails");
  EXPECT_EQ(failed.status, 404);
  EXPECT_EQ(failed.body.find("row 17"), std::string::npos);
}

TEST_F(R11_5_Router, TheFilterRunsOnHomeBeforeTheHandlerAndMayRefuse) {
  std::thread::id filter_thread, handler_thread, home_thread;
  auto note = [](std::thread::id& where) -> asio::awaitable<void> {
    where = std::this_thread::get_id();
    co_return;
  };
  run(loops.home(), note(home_thread));
  router.set_filter([&](Request& request, const Route& route) -> asio::awaitable<Result<>> {
    filter_thread = std::this_thread::get_id();
    if (route.access == Access::kAdmin) co_return fail(Code::kForbidden, "forbidden", "Not for you.");
    request.principal = std::string("me");
    co_return Result<>{};
  });
  router.add({"GET", "/me", Access::kSignedIn, [&](Request request) -> asio::awaitable<Result<Response>> {
                handler_thread = std::this_thread::get_id();
                co_return Response::text(200, std::any_cast<std::string>(request.principal));
              }});
  router.add({"GET", "/admin", Access::kAdmin, [](Request) -> asio::awaitable<Result<Response>> {
                ADD_FAILURE() << "a refused request must not reach its handler";
                co_return Response::empty(200);
              }});
  EXPECT_EQ(ask("GET", "/me").body, "me");
  EXPECT_EQ(filter_thread, home_thread);
  EXPECT_EQ(handler_thread, home_thread);
  EXPECT_EQ(ask("GET", "/admin").status, 403);
}

TEST_F(R11_5_Router, AGuardRefusesOnTheConnectionsLoopBeforeTheFilter) {
  std::thread::id net_thread, guard_thread;
  run(loops.net(0), [](std::thread::id& out) -> asio::awaitable<void> {
    out = std::this_thread::get_id();
    co_return;
  }(net_thread));
  router.set_guard([&](const Request&, const Route& route) -> std::optional<Response> {
    guard_thread = std::this_thread::get_id();
    if (route.pattern == "/flooded") return Response::text(429, "too often");
    return std::nullopt;
  });
  router.set_filter([](Request& request, const Route& route) -> asio::awaitable<Result<>> {
    EXPECT_NE(route.pattern, "/flooded") << "nobody is asked who is refused already";
    request.answer_fields.emplace_back("RateLimit", "\"a\";r=1");
    if (route.access == Access::kAdmin) co_return fail(Code::kForbidden, "forbidden", "no");
    co_return Result<>{};
  });
  add("GET", "/flooded");
  add("GET", "/fine");
  router.add({"GET", "/broken", Access::kOpen,
              [](Request) -> asio::awaitable<Result<Response>> { throw std::runtime_error("a bug"); }});
  router.add({"GET", "/admin", Access::kAdmin,
              [](Request) -> asio::awaitable<Result<Response>> { co_return Response::empty(200); }});
  EXPECT_EQ(ask("GET", "/flooded").status, 429);
  EXPECT_EQ(guard_thread, net_thread);
  for (const auto& [path, status] : {std::pair("/fine", 200), std::pair("/broken", 500), std::pair("/admin", 403)}) {
    const auto answer = ask("GET", path);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.headers.get("RateLimit"), "\"a\";r=1")
        << "what the filter wants on the answer is there whatever it becomes";
  }
}

TEST_F(R11_5_Router, AnswersAreCountedByMethodRouteAndClass) {
  add("GET", "/counted/{id}");
  ask("GET", "/counted/1");
  ask("GET", "/counted/2");
  ask("BREW", "/nowhere");
  const std::string text = metrics::expose();
  const auto line = text.find("tiltyard_http_requests_total{method=\"GET\",route=\"/counted/{id}\",status=\"2xx\"} 2");
  EXPECT_NE(line, std::string::npos) << text;
  EXPECT_NE(text.find("tiltyard_http_seconds_count{route=\"/counted/{id}\"} 2"), std::string::npos);
  EXPECT_EQ(text.find("BREW"), std::string::npos) << "a method from outside must not make a series";
}

}  // namespace
}  // namespace tiltyard::http
