#include "base/failpoint.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <charconv>
#include <csignal>
#include <map>
#include <mutex>

namespace tiltyard {
namespace {

struct Plan {
  std::string action;
  int argument = 0;
  int only_time = 0;  // 0: every time
  int passed = 0;
};

struct Points {
  std::mutex mutex;
  std::map<std::string, Plan, std::less<>> plans;
  std::atomic<bool> armed{false};

  void arm(std::string_view text) {
    const std::lock_guard lock(mutex);
    plans.clear();
    while (!text.empty()) {
      const auto end = text.find(';');
      add(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    armed = !plans.empty();
  }

  void add(std::string_view item) {
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) return;
    Plan plan;
    std::string_view action = item.substr(equals + 1);
    if (const auto at = action.find('@'); at != std::string_view::npos) {
      std::from_chars(action.data() + at + 1, action.data() + action.size(), plan.only_time);
      action = action.substr(0, at);
    }
    if (const auto colon = action.find(':'); colon != std::string_view::npos) {
      std::from_chars(action.data() + colon + 1, action.data() + action.size(), plan.argument);
      action = action.substr(0, colon);
    }
    plan.action = action;
    plans.insert_or_assign(std::string(item.substr(0, equals)), plan);
  }

  /// As it is armed now.
  Plan at(std::string_view name) {
    const std::lock_guard lock(mutex);
    const auto found = plans.find(name);
    return found == plans.end() ? Plan{} : found->second;
  }

  Plan pass(std::string_view name) {
    const std::lock_guard lock(mutex);
    const auto found = plans.find(name);
    if (found == plans.end()) return {};
    Plan& plan = found->second;
    ++plan.passed;
    if (plan.only_time != 0 && plan.passed != plan.only_time) return {};
    return plan;
  }
};

Points& points() {
  static Points instance;
  return instance;
}

}  // namespace

bool failpoints_armed() { return points().armed.load(std::memory_order_relaxed); }

void arm_failpoints(std::string_view text) { points().arm(text); }

int failpoint_passes(std::string_view name) { return points().at(name).passed; }

asio::awaitable<Result<>> failpoint(std::string name) {
  if (!failpoints_armed()) co_return Result<>{};
  const Plan plan = points().pass(name);
  if (plan.action == "kill") std::raise(SIGKILL);
  if (plan.action == "error") { co_return fail(Code::kInternal, "failpoint", "A fault was injected at " + name + "."); }
  asio::steady_timer timer(co_await asio::this_coro::executor);
  if (plan.action == "sleep") {
    timer.expires_after(std::chrono::milliseconds{plan.argument});
    co_await timer.async_wait(asio::use_awaitable);
  }
  while (plan.action == "hold" && points().at(name).action == "hold") {
    timer.expires_after(std::chrono::milliseconds{1});
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return Result<>{};
}

}  // namespace tiltyard
