#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "gateway/doors.h"
#include "gateway/shard.h"

namespace tiltyard::gateway {

struct Job {
  std::shared_ptr<Shard> shard;
  std::function<void(Shard&)> work;
};

/// Runs each job on its shard's loop, all side by side; completes on the caller's executor when all have run.
asio::awaitable<void> run_jobs(std::vector<Job> jobs);

/// Opened ports that are closed again unless they are handed over.
struct OpenedPorts {
  std::map<OwnedPort, int> fds;
  OpenedPorts() = default;
  OpenedPorts(const OpenedPorts&) = delete;
  OpenedPorts& operator=(const OpenedPorts&) = delete;
  ~OpenedPorts() {
    for (auto [port, fd] : fds) ::close(fd);
  }
};

/// Sockets that listen on one port, one for each loop; closed unless they are handed over.
struct OpenedListeners {
  std::uint16_t port = 0;
  std::vector<int> fds;
  OpenedListeners() = default;
  OpenedListeners(OpenedListeners&& other) noexcept : port(other.port), fds(std::exchange(other.fds, {})) {}
  OpenedListeners& operator=(OpenedListeners&& other) noexcept {
    std::swap(port, other.port);
    std::swap(fds, other.fds);
    return *this;
  }
  ~OpenedListeners() {
    for (const int fd : fds) {
      if (fd >= 0) ::close(fd);
    }
  }
  /// Negative: there is none.
  int release(std::size_t index) { return index < fds.size() ? std::exchange(fds[index], -1) : -1; }
};

/// What the home loop knows.
struct Gateway::State : std::enable_shared_from_this<Gateway::State> {
  struct Published {
    std::shared_ptr<InstanceTraffic> traffic;
    std::map<std::string, std::shared_ptr<Meter>> meters;  ///< by endpoint, where there are limits
    std::set<OwnedPort> ports;
    std::size_t routes = 0;
    bool asleep = false, waking = false;  ///< of the home loop alone
  };

  explicit State(Options options) : shared(std::make_shared<Shared>(std::move(options))) {}

  std::shared_ptr<Shared> shared;
  std::vector<std::shared_ptr<Shard>> shards;
  std::unique_ptr<Doors> doors;
  asio::any_io_executor home;
  Wake wake;
  std::function<void()> come;  ///< tells of contacts
  Gate wakes{"gateway wakes"};
  std::uint16_t port = 0;
  bool started = false, stopping = false, shut = false;
  mutable std::mutex mutex;  ///< of `published`, which the metrics read from another thread
  std::map<InstanceId, Published> published;
  std::map<std::string, std::weak_ptr<Meter>> owners;  ///< by owner, where there are limits

  std::vector<Job> everywhere(std::function<void(Shard&)> work) const {
    std::vector<Job> jobs;
    for (const auto& shard : shards) jobs.push_back({shard, work});
    return jobs;
  }
  /// A port's listener lives on one loop.
  const std::shared_ptr<Shard>& shard_of(OwnedPort port) const { return shards[port.number % shards.size()]; }
  Result<std::shared_ptr<Publication>> prepare(const InstanceId& instance, const std::vector<Route>& routes,
                                               const std::string& owner) const;
  Result<> open_ports(const Publication& publication, const std::set<OwnedPort>& have, OpenedPorts& opened) const;
  Result<OpenedListeners> open_listeners(const std::string& listen) const;
  /// The meters that go on counting for what is published anew, and new ones for the rest.
  void meter(Publication& publication, Published& entry, const std::string& owner);
  std::size_t route_count() const;

  /// Has the shards tell the home loop of whom they want woken.
  void listen_for_wakes();
  void want_awake(const InstanceId& instance);
  static asio::awaitable<void> run_wake(std::shared_ptr<State> state, InstanceId instance);
  /// What is told to all shards of this instance, unless it has been withdrawn meanwhile.
  Published* find(const InstanceId& instance);
};

}  // namespace tiltyard::gateway
