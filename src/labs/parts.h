#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "labs/model.h"
#include "labs/presence.h"

namespace tiltyard {
class Clock;
}
namespace tiltyard::bus {
class Bus;
}
namespace tiltyard::config {
class Keys;
}
namespace tiltyard::engine {
class Engines;
}
namespace tiltyard::gateway {
class PortLanes;
}
namespace tiltyard::jobs {
class Service;
}
namespace tiltyard::store {
class Store;
}
namespace tiltyard::templates {
class Offers;
}

namespace tiltyard::labs {

using templates::Offers;

/// Who a server is to those who share an engine with it, under one namespace by mistake or as copies of each other.
struct Claimant {
  std::string server = "self";  ///< its identity, which lies in its database
  std::string home;             ///< where that database is
  std::string data;             ///< the data folder, whose lock a server holds as long as it lives
  std::string host;             ///< the host and process namespace that `home` and `data` are to be read on
};

struct Options {
  Claimant claimant;                          ///< this server
  std::string network_pool = "10.64.0.0/12";  ///< of engines that have none of their own
  std::uint32_t machines_per_bridge = 28;
  std::size_t spawns_at_once = 10;
  std::size_t queue_limit = 1000;
  std::size_t instances_per_owner = 3;
  std::size_t instances_total = 1000;
  std::chrono::seconds sweep_interval{600};
  std::chrono::seconds sweep_window{300};
  std::chrono::seconds expiry_interval{60};
  std::chrono::seconds usage_interval{60};
  std::chrono::seconds spawn_limit{3600};  ///< from leaving the queue until it runs
  std::chrono::milliseconds cut_after{
      150'000};  ///< how long a step may go on that was told to end: longer than any call of an engine
  std::chrono::seconds stop_grace{2};  ///< how long a machine may take to stop before it is killed
  bool trial = false;                  ///< no pools, and every start is tried by its template's solver
  std::size_t fills_at_once = 2;       ///< instances that are made for pools side by side
  std::size_t commands_per_user = 4, shells_per_user = 8, followed_logs_per_user = 4;  ///< at once
  std::function<PoolChoice(const templates::Template&)> pool_choice;                   ///< unset: always "running"
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// What the service needs of others; all outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  engine::Engines& engines;
  templates::Offers& offers;
  gateway::PortLanes& lanes;
  bus::Bus& bus;
  const Clock& clock;
  jobs::Service& jobs;
  Presence presence{};
  /// Why nothing may start at present; unset: something always may.
  std::function<Result<>()> may_start{};

  Result<> look_for_vetoes() const { return may_start ? may_start() : Result<>{}; }
};

}  // namespace tiltyard::labs
