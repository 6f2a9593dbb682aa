#include "engine/isolation/weights.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/gate.h"
#include "base/offload.h"

namespace tiltyard::engine::isolation {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kInterval = 2s;
/// A fifth of a percent of a processor: what a machine takes that nobody uses.
constexpr double kCalm = 0.002;
constexpr double kLeast = 1.0 / 64;
/// Who has run all the time counts in full again after some twenty seconds of rest.
constexpr double kMemory = 5;  // seconds
/// Smaller changes are not written.
constexpr double kMatters = 0.75;

/// How long a group has run, as a small file's first number says: nanoseconds, or the "usage_usec N" of version 2.
std::optional<std::uint64_t> nanoseconds_in(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::array<char, 64> text{};
  const auto got = ::read(fd, text.data(), text.size());
  ::close(fd);
  std::string_view said(text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  constexpr std::string_view kMicroseconds = "usage_usec ";
  const bool micros = said.starts_with(kMicroseconds);
  if (micros) said.remove_prefix(kMicroseconds.size());
  std::uint64_t value = 0;
  if (std::from_chars(said.data(), said.data() + said.size(), value).ec != std::errc{}) return std::nullopt;
  return micros ? value * 1000 : value;
}

bool write_number(const fs::path& file, int number) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) return false;
  const auto text = std::to_string(number);
  const auto written = ::write(fd, text.data(), text.size());
  ::close(fd);
  return written == static_cast<ssize_t>(text.size());
}

}  // namespace

void Weigher::look(const fs::path& counted, const fs::path& weighed, double seconds) {
  const bool unified = counted == weighed;
  const double keep = std::exp(-seconds / kMemory);
  std::error_code ended;
  for (fs::directory_iterator each(counted, ended), end; !ended && each != end; each.increment(ended)) {
    std::error_code ignored;
    if (!each->is_directory(ignored)) continue;
    const auto ran = nanoseconds_in(each->path() / (unified ? "cpu.stat" : "cpuacct.usage"));
    if (!ran) continue;
    const auto name = each->path().filename();
    const auto [found, fresh] = machines_.try_emplace(name.string(), Machine{.ran = *ran});
    auto& machine = found->second;
    machine.there = true;
    if (fresh || *ran < machine.ran) continue;
    const double now = static_cast<double>(*ran - std::exchange(machine.ran, *ran)) / 1e9 / seconds;
    // What is more than enough for the least weight is not remembered the longer for it.
    machine.busy = std::min(machine.busy * keep + now * (1 - keep), kCalm / kLeast);
    const double weight = std::clamp(kCalm / std::max(machine.busy, kCalm), kLeast, 1.0);
    if (std::min(weight, machine.weight) > kMatters * std::max(weight, machine.weight) && weight < 1) continue;
    if (weight == machine.weight) continue;
    const int number = unified ? std::max(1, static_cast<int>(100 * weight)) : static_cast<int>(1024 * weight);
    if (write_number(weighed / name / (unified ? "cpu.weight" : "cpu.shares"), number)) machine.weight = weight;
  }
}

void Weigher::round(Time now) {
  const double seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  if (seconds <= 0) return;
  for (auto& [name, machine] : machines_) machine.there = false;
  for (const char* group : {"tiltyard_machines", "tiltyard_machines.slice"}) {
    look(root_ / group, root_ / group, seconds);
    look(root_ / "cpuacct" / group, root_ / "cpu" / group, seconds);
  }
  std::erase_if(machines_, [](const auto& entry) { return !entry.second.there; });
}

struct Weights::State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor loop, fs::path root) : executor(std::move(loop)), weigher(std::move(root)) {}

  asio::awaitable<void> weigh() {
    const auto self = shared_from_this();
    asio::steady_timer timer(executor);
    while (!gate.closing()) {
      timer.expires_after(kInterval);
      co_await timer.async_wait(asio::use_awaitable);
      auto round = [this] {
        weigher.round(std::chrono::steady_clock::now());
        return true;
      };
      co_await offload(worker, round);
    }
  }

  asio::any_io_executor executor;
  Weigher weigher;
  WorkerPool worker{"weights", 1};
  Gate gate{"weights"};
};

Weights::Weights(asio::any_io_executor executor, fs::path root)
    : state_(std::make_shared<State>(std::move(executor), std::move(root))) {}
Weights::~Weights() = default;

void Weights::run() { state_->gate.spawn(state_->executor, "weights of machines", state_->weigh()); }

asio::awaitable<void> Weights::close() {
  const auto state = state_;
  co_await state->gate.close();
}

}  // namespace tiltyard::engine::isolation
