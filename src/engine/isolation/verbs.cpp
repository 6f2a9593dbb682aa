#include "engine/isolation/verbs.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>

#include "engine/isolation/firewall.h"
#include "engine/reasons.h"

namespace tiltyard::engine::isolation {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr char kEnsure[] = "firewall.ensure";
constexpr std::chrono::seconds kLongestRepair{20};

asio::awaitable<Result<>> ensure(Firewall* firewall) { co_return co_await firewall->ensure(); }

}  // namespace

privileged::Verb firewall_verb(Firewall& firewall, asio::any_io_executor executor) {
  auto run = [&firewall, executor](const privileged::Arguments& with) -> Result<json::object> {
    if (auto none = with.only({}); !none) return fail(std::move(none.error()));
    auto ended = asio::co_spawn(executor, ensure(&firewall), asio::use_future);
    if (ended.wait_for(kLongestRepair) != std::future_status::ready)
      return fail(Code::kTimeout, reason::kIsolationMissing,
                  "The firewall table took too long; no machine starts without it.");
    auto outcome = ended.get();
    if (!outcome) return fail(std::move(outcome.error()));
    return json::object();
  };
  return {kEnsure, std::move(run)};
}

Result<> ensure_through(const privileged::Caller& caller) {
  auto answer = caller.call(kEnsure);
  if (answer) return {};
  Error error = std::move(answer.error());
  // Who asks for machines knows one reason.
  if (error.reason != reason::kIsolationMissing)
    return fail(Code::kUnavailable, reason::kIsolationMissing, error.message, error.reason + ": " + error.cause);
  return fail(std::move(error));
}

}  // namespace tiltyard::engine::isolation
