#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>

namespace tiltyard::engine::isolation {

namespace asio = boost::asio;

/// How much each machine counts among all machines of the host, of whichever server, when they compete for processors:
/// the less, the more it has run lately. So a machine that answers somebody now and then, and one that is being
/// started, need not wait for those that run all the time; among each other these share as before, and where nobody
/// competes nothing changes. Belongs to one thread.
class Weigher {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `root` is where the groups are mounted, /sys/fs/cgroup.
  explicit Weigher(std::filesystem::path root) : root_(std::move(root)) {}

  /// Looks at all machines, and weighs those anew whose share of a processor has changed. Blocking, some ten
  /// microseconds for each.
  void round(Time now);

 private:
  struct Machine {
    std::uint64_t ran = 0;  ///< as its group counts
    double busy = 0;        ///< processors, over the last seconds
    double weight = 0;      ///< of the usual one, as last written; another server may have written before
    bool there = true;
  };

  void look(const std::filesystem::path& counted, const std::filesystem::path& weighed, double seconds);

  std::filesystem::path root_;
  std::unordered_map<std::string, Machine> machines_;  ///< by their groups' names
  Time last_{};
};

/// Weighs every two seconds, on a thread of its own.
class Weights {
 public:
  explicit Weights(asio::any_io_executor executor, std::filesystem::path root = "/sys/fs/cgroup");
  ~Weights();
  void run();
  asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::engine::isolation
