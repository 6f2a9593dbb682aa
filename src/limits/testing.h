// What the tests of limiters share: a Redis server of their own, and coroutines run to their end.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "bus/redis.h"
#include "net/loops.h"

extern char** environ;  // NOLINT: POSIX's own

namespace tiltyard::limits::testing {

namespace asio = boost::asio;
namespace fs = std::filesystem;

template <class T>
T run(net::Loops& loops, asio::awaitable<T> work) {
  return asio::co_spawn(loops.home(), std::move(work), asio::use_future).get();
}

inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = std::chrono::seconds{10}) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

/// A redis-server of its own, on a socket in a folder of its own; killed at the end.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> more = {}) : more_(std::move(more)) {
    char name[] = "/tmp/limits-redis-XXXXXX";
    folder_ = ::mkdtemp(name);
    start();
  }
  ~RedisServer() {
    stop();
    fs::remove_all(folder_);
  }
  void start() {
    std::vector<std::string> words{"redis-server", "--port", "0",     "--unixsocket", socket(),    "--save",        "",
                                   "--appendonly", "no",     "--dir", folder_,        "--logfile", folder_ + "/log"};
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ASSERT_EQ(::posix_spawnp(&pid_, "redis-server", nullptr, nullptr, arguments.data(), environ), 0)
        << "redis-server is not installed";
  }
  /// As a crash would.
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    fs::remove(socket());
  }
  std::string socket() const { return folder_ + "/redis.sock"; }

  bus::RedisOptions options() const {
    bus::RedisOptions options;
    options.url = Secret("unix://" + socket());
    // The machine that runs the tests may be busy; what a deadline does has tests of its own.
    options.deadline = std::chrono::seconds{5};
    options.back_off = std::chrono::milliseconds{5};
    options.longest_back_off = std::chrono::milliseconds{50};
    return options;
  }
  std::unique_ptr<bus::Redis> connect(net::Loops& loops) const { return connect(loops, options()); }
  std::unique_ptr<bus::Redis> connect(net::Loops& loops, bus::RedisOptions options) const {
    auto redis = bus::Redis::open(loops.home(), std::move(options));
    EXPECT_TRUE(redis);
    EXPECT_TRUE(eventually([&] { return (*redis)->connected(); }));
    return std::move(*redis);
  }

 private:
  std::string folder_;
  std::vector<std::string> more_;
  pid_t pid_ = -1;
};

}  // namespace tiltyard::limits::testing
