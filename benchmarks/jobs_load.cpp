// What the jobs module does on a database of its own, for benchmarks/jobs.py. Each mode prints words and numbers.
//   jobs_load batches URL SECONDS | jobs_load singles URL SECONDS | jobs_load late URL SECONDS | jobs_load bulk URL
#include <fmt/core.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "bus/event_log.h"
#include "jobs/jobs.h"
#include "net/loops.h"
#include "observe/log.h"

namespace {

using namespace tiltyard;
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kBatch = 500, kBatchers = 4, kMostAhead = 20'000, kCallers = 500;
constexpr std::size_t kPending = 100'000, kDuePerSecond = 1'000;

/// The service and what it counts. `done` is touched by the home loop alone.
struct Load {
  explicit Load(const std::string& url) {
    auto opened = store::open(url);
    if (!opened) throw std::runtime_error(opened.error().message + opened.error().cause);
    store = std::move(*opened);
    if (auto migrated = store->migrate({{"jobs", jobs::migrations()}, {"bus", bus::migrations()}}); !migrated)
      throw std::runtime_error(migrated.error().cause);
    service = std::make_unique<jobs::Service>(jobs::Options{}, jobs::Parts{loops.home(), *store, clock});
    jobs::Kind kind;
    kind.name = "bench";
    kind.at_once = 5'000;
    kind.handler = [this](jobs::Firing firing) -> asio::awaitable<Result<jobs::Next>> {
      lateness.push_back((clock.now() - firing.due).count());
      ++done;
      co_return jobs::Next::done();
    };
    service->declare(std::move(kind));
    run(start());
  }
  ~Load() {
    run(service->close());
    store->close();
    loops.stop();
  }
  asio::awaitable<void> start() {
    auto started = co_await service->start();
    if (!started) throw std::runtime_error(started.error().cause);
  }
  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops.home(), std::move(work), asio::use_future).get();
  }

  net::Loops loops{1};
  SystemClock clock;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<jobs::Service> service;
  std::size_t made = 0, done = 0;
  std::vector<std::int64_t> lateness;  ///< microseconds
};

jobs::NewJob job_of(std::size_t number) {
  jobs::NewJob job;
  job.kind = "bench";
  job.payload = fmt::format(R"({{"number":{}}})", number);
  return job;
}

/// Keeps a bounded number of jobs ahead of those that are done.
asio::awaitable<void> make_batches(Load* load, Steady::time_point end) {
  while (Steady::now() < end) {
    if (load->made - load->done > kMostAhead) {
      co_await sleep_for(1ms);
      continue;
    }
    std::vector<jobs::NewJob> jobs;
    for (std::size_t i = 0; i < kBatch; ++i) jobs.push_back(job_of(i));
    load->made += kBatch;
    auto made = co_await load->service->enqueue_all(std::move(jobs));
    if (!made) throw std::runtime_error(made.error().reason + made.error().cause);
  }
}

asio::awaitable<void> make_singles(Load* load, Steady::time_point end) {
  while (Steady::now() < end) {
    auto made = co_await load->service->enqueue(job_of(load->made++));
    if (!made) throw std::runtime_error(made.error().reason + made.error().cause);
  }
}

template <class Make>
void rate(Load& load, int seconds, std::size_t callers, Make make) {
  const auto begun = Steady::now(), end = begun + std::chrono::seconds{seconds};
  std::vector<std::future<void>> all;
  for (std::size_t i = 0; i < callers; ++i)
    all.push_back(asio::co_spawn(load.loops.home(), make(&load, end), asio::use_future));
  for (auto& one : all) one.get();
  while (load.run([](Load* own) -> asio::awaitable<bool> { co_return own->done < own->made; }(&load)))
    std::this_thread::sleep_for(1ms);
  const std::chrono::duration<double> took = Steady::now() - begun;
  fmt::print("jobs {} seconds {:.3f} rate {:.0f}\n", load.done, took.count(),
             static_cast<double>(load.done) / took.count());
}

/// Lateness of one-shots, while a hundred thousand others wait.
void late(Load& load, int seconds) {
  std::vector<jobs::NewJob> pending(kPending, job_of(0));
  for (auto& job : pending) job.due = load.clock.now() + 24h;
  if (!load.run(load.service->enqueue_all(pending))) throw std::runtime_error("the pending jobs were not taken");
  const auto first = load.clock.now() + 2s;
  std::vector<jobs::NewJob> due;
  const std::size_t count = kDuePerSecond * static_cast<std::size_t>(seconds);
  for (std::size_t i = 0; i < count; ++i) {
    due.push_back(job_of(i));
    due.back().due = first + Duration{static_cast<std::int64_t>(i * 1'000'000 / kDuePerSecond)};
  }
  if (!load.run(load.service->enqueue_all(due))) throw std::runtime_error("the due jobs were not taken");
  std::this_thread::sleep_for(std::chrono::seconds{seconds + 3});
  auto& all = load.lateness;
  std::ranges::sort(all);
  if (all.size() != count) throw std::runtime_error(fmt::format("{} of {} fired", all.size(), count));
  const auto share = [&](double part) {
    return static_cast<double>(all[static_cast<std::size_t>(part * static_cast<double>(count - 1))]) / 1000;
  };
  fmt::print("firings {} p50_ms {:.3f} p90_ms {:.3f} p99_ms {:.3f} max_ms {:.3f} early {}\n", count, share(0.5),
             share(0.9), share(0.99), share(1),
             std::ranges::count_if(all, [](std::int64_t micros) { return micros < 0; }));
}

template <class Work>
double seconds_of(Work work) {
  const auto begun = Steady::now();
  work();
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

/// A scenario run's firings: made, moved and cancelled, each in one transaction.
void bulk(Load& load) {
  std::vector<jobs::NewJob> jobs(kPending, job_of(0));
  for (auto& job : jobs) {
    job.due = load.clock.now() + 24h;
    job.bundle = "run";
  }
  auto& service = *load.service;
  const auto make = seconds_of([&] {
    if (!load.run(service.enqueue_all(jobs))) throw std::runtime_error("not made");
  });
  const auto change = [&](auto what) {
    return seconds_of([&] {
      auto changed =
          load.run(load.store->write([&, what](soci::session& sql) -> Result<std::size_t> { return what(sql); }));
      if (!changed || *changed != kPending) throw std::runtime_error("not all were changed");
    });
  };
  const auto shift = change([&](soci::session& sql) { return service.shift_bundle(sql, "bench", "run", 1h); });
  const auto cancel = change([&](soci::session& sql) { return service.cancel_bundle(sql, "bench", "run"); });
  fmt::print("jobs {} make_s {:.3f} shift_s {:.3f} cancel_s {:.3f}\n", kPending, make, shift, cancel);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  const std::string mode = arguments[1];
  const int seconds = count > 3 ? std::atoi(arguments[3]) : 5;
  log::configure(log::Level::kWarn, log::Format::kText, "");
  try {
    Load load(arguments[2]);
    if (mode == "batches") rate(load, seconds, kBatchers, make_batches);
    else if (mode == "singles") rate(load, seconds, kCallers, make_singles);
    else if (mode == "late") late(load, seconds);
    else if (mode == "bulk") bulk(load);
    else return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "jobs_load: {}\n", error.what());
    return 1;
  }
  return 0;
}
