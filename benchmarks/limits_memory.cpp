// What a check of a limiter costs in memory, and how many go through one connection to Redis. See benchmarks/limits.py.
//   limits_memory memory | limits_memory redis SOCKET SECONDS
#include <fmt/core.h>
#include <sodium.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "limits/memory.h"
#include "limits/shared.h"
#include "net/loops.h"

namespace {

namespace asio = boost::asio;
using namespace tiltyard;
using limits::Charge;
using limits::Quota;
using Clock = std::chrono::steady_clock;

std::int64_t micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

/// Nanoseconds for each call, the median of eleven rounds.
template <class Call>
double measure(std::size_t calls, Call call) {
  std::vector<double> rounds;
  for (int round = 0; round < 11; ++round) {
    const auto begun = Clock::now();
    for (std::size_t i = 0; i < calls; ++i) call(i);
    rounds.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begun).count() /
                     static_cast<double>(calls));
  }
  std::ranges::sort(rounds);
  return rounds[rounds.size() / 2];
}

void in_memory() {
  const Quota wide = Quota::of(1'000'000, 10'000'000, 60'000'000), none = Quota::of(1, 1, 3'600'000'000);
  std::vector<std::string> users;
  for (int i = 0; i < 100'000; ++i) users.push_back(fmt::format("01JD{:022}", i));
  limits::Memory memory;
  std::size_t allowed = 0;
  const auto one = [&](std::size_t i) {
    const Charge charge{"list-read", users[i % 1000], false, wide};
    allowed += memory.take({&charge, 1}, micros()).allowed ? 1 : 0;
  };
  fmt::print("one {:.1f}\n", measure(1'000'000, one));
  const auto many = [&](std::size_t i) {
    const Charge charge{"list-read", users[i * 7919 % users.size()], false, wide};
    allowed += memory.take({&charge, 1}, micros()).allowed ? 1 : 0;
  };
  fmt::print("many {:.1f}\n", measure(1'000'000, many));
  const auto refused = [&](std::size_t i) {
    const Charge charge{"refused", users[i % 1000], false, none};
    allowed += memory.take({&charge, 1}, micros()).allowed ? 1 : 0;
  };
  fmt::print("refused {:.1f}\n", measure(1'000'000, refused));
  const auto four = [&](std::size_t i) {
    const std::string_view user = users[i % 1000];
    const Charge charges[] = {{"address", "192.0.2.1", false, wide},
                              {"start", user, false, wide},
                              {"hourly", user, false, wide},
                              {"hourly", user, true, wide}};
    allowed += memory.take(charges, micros()).allowed ? 1 : 0;
  };
  fmt::print("four {:.1f}\n", measure(500'000, four));
  std::vector<std::thread> threads;
  const auto begun = Clock::now();
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 2'000'000; ++i) {
        const Charge charge{"list-read", users[(i * 2 + t) % 1000], false, wide};
        memory.take({&charge, 1}, micros());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  fmt::print("two-threads {:.1f}\n",
             std::chrono::duration<double, std::nano>(Clock::now() - begun).count() / 2'000'000);
  if (allowed == 0) std::abort();
}

asio::awaitable<void> caller(limits::Shared* shared, const std::string* user, const bool* ended, std::uint64_t* done,
                             int quotas, int* running) {
  const Quota wide = Quota::of(1'000'000, 10'000'000, 60'000'000);
  std::vector<Charge> charges;
  for (const auto* name : {"address", "list-read", "hourly", "other"}) charges.push_back({name, *user, false, wide});
  charges.resize(static_cast<std::size_t>(quotas));
  while (!*ended) {
    const auto outcome = co_await shared->take(charges);
    if (!outcome) {
      fmt::print(stderr, "{} {}\n", outcome.error().reason, outcome.error().cause);
      std::abort();
    }
    ++*done;
  }
  --*running;
}

asio::awaitable<double> load(bus::Redis* redis, int quotas, double seconds) {
  limits::Shared shared(*redis, "bench");
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  while (!redis->connected()) {
    timer.expires_after(std::chrono::milliseconds{5});
    co_await timer.async_wait(asio::use_awaitable);
  }
  bool ended = false;
  std::uint64_t done = 0;
  int running = 256;
  std::vector<std::string> users;
  for (int i = 0; i < running; ++i) users.push_back(fmt::format("01JD{:022}", i));
  for (const auto& user : users) {
    asio::co_spawn(executor, caller(&shared, &user, &ended, &done, quotas, &running), [](std::exception_ptr) {});
  }
  timer.expires_after(std::chrono::milliseconds{500});
  co_await timer.async_wait(asio::use_awaitable);
  const auto before = done;
  const auto begun = Clock::now();
  timer.expires_after(std::chrono::milliseconds{static_cast<int>(seconds * 1000)});
  co_await timer.async_wait(asio::use_awaitable);
  const double rate = static_cast<double>(done - before) / std::chrono::duration<double>(Clock::now() - begun).count();
  ended = true;
  while (running > 0) {
    timer.expires_after(std::chrono::milliseconds{1});
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return rate;
}

void in_redis(const std::string& socket, double seconds) {
  net::Loops loops{1};
  bus::RedisOptions options;
  options.url = Secret("unix://" + socket);
  options.deadline = std::chrono::seconds{5};
  auto redis = bus::Redis::open(loops.home(), options);
  if (!redis) std::abort();
  for (const int quotas : {1, 2, 4}) {
    fmt::print("redis-{} {:.0f}\n", quotas,
               asio::co_spawn(loops.home(), load(redis->get(), quotas, seconds), asio::use_future).get());
  }
  asio::co_spawn(loops.home(), (*redis)->close(), asio::use_future).get();
  loops.stop();
}

}  // namespace

int main(int count, char** words) {
  if (sodium_init() < 0) return 1;
  if (count == 2 && std::strcmp(words[1], "memory") == 0) in_memory();
  else if (count == 4 && std::strcmp(words[1], "redis") == 0) in_redis(words[2], std::atof(words[3]));
  else return 2;
  return 0;
}
