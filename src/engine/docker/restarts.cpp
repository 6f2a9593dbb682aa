#include "engine/docker/restarts.h"

#include <algorithm>
#include <charconv>

#include "engine/reasons.h"
#include "observe/log.h"

namespace tiltyard::engine::docker {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// As Docker has it: what ran this long begins anew with the shortest pause. moby/moby restartmanager.go
constexpr auto kRanWell = 10s;
constexpr auto kShortest = 100ms, kLongest = 60'000ms;

int number_in(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string_view label(const EngineEvent& event, const char* name) {
  const auto found = event.labels.find(name);
  return found == event.labels.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

bool goes_on(std::string_view policy, int exit_code, int times) {
  if (policy == "always" || policy == "unless-stopped") return true;
  constexpr std::string_view kFailure = "on-failure";
  if (!policy.starts_with(kFailure) || exit_code == 0) return false;
  const int most = policy.size() > kFailure.size() ? number_in(policy.substr(kFailure.size() + 1)) : 0;
  return most == 0 || times < most;
}

std::chrono::milliseconds restart_pause(int times) {
  return std::min<std::chrono::milliseconds>(kShortest * (1 << std::min(times, 10)), kLongest);
}

Restarts::Restarts(asio::any_io_executor executor, Start start)
    : executor_(executor), start_(std::move(start)), closing_(executor) {}

void Restarts::heard(const EngineEvent& event) {
  if (event.what == Happening::kDestroyed) return gone(event.machine);
  const auto policy = label(event, kLabelRestart);
  if (policy.empty()) return;
  if (event.what == Happening::kStarted) ones_[event.machine].started = Clock::now();
  if (event.what != Happening::kDied || ended_.contains(event.machine) || gate_.closing()) return;
  auto& one = ones_[event.machine];
  if (Clock::now() - one.started >= kRanWell) one.times = 0;
  one.waits = goes_on(policy, exit_code_of(event), one.times);
  if (!one.waits) return;
  one.turn = ++turns_;
  gate_.spawn(executor_, "start a machine again", again(event.machine, one.turn, restart_pause(one.times++)));
}

void Restarts::ended_by_us(const std::string& machine) {
  ones_.erase(machine);
  ended_.insert(machine);
}

void Restarts::started_by_us(const std::string& machine) {
  ended_.erase(machine);
  if (const auto one = ones_.find(machine); one != ones_.end()) one->second.waits = false;
}

void Restarts::gone(const std::string& machine) {
  ones_.erase(machine);
  ended_.erase(machine);
}

bool Restarts::under_way(const std::string& machine) const {
  const auto one = ones_.find(machine);
  return one != ones_.end() && one->second.waits;
}

asio::awaitable<void> Restarts::again(std::string machine, std::uint64_t turn, std::chrono::milliseconds pause) {
  const auto still_wanted = [this, &machine, turn] {
    const auto one = ones_.find(machine);
    return one != ones_.end() && one->second.waits && one->second.turn == turn && !gate_.closing();
  };
  while (true) {
    co_await closing_.wait_for(pause);
    if (!still_wanted()) co_return;
    auto started = co_await start_(Handle{1, machine});
    if (!still_wanted()) co_return;
    const bool settled =
        started || started.error().reason == reason::kMachineMissing || started.error().reason == reason::kAway;
    if (settled) {
      ones_[machine].waits = false;
      co_return;
    }
    pause = restart_pause(ones_[machine].times++);
    log::warn("engine", "a machine that ended could not be started again; it is tried later",
              {{"machine", machine}, {"reason", started.error().reason}, {"cause", started.error().cause}});
  }
}

asio::awaitable<void> Restarts::close() {
  closing_.set();
  co_await gate_.close();
}

}  // namespace tiltyard::engine::docker
