#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/offload.h"
#include "bus/bus.h"
#include "bus/event_log.h"
#include "bus/kinds.h"
#include "bus/redis.h"
#include "engine/engines.h"
#include "gateway/gateway.h"
#include "gateway/port_lanes.h"
#include "house/capability.h"
#include "house/site.h"
#include "jobs/jobs.h"
#include "limits/limits.h"
#include "tls/certificates.h"

namespace tiltyard::house {

/// What stands between a request and its handler. Capabilities add to it when they are made, in the order of the list.
struct Doors {
  /// Finds out who asks, refuses: the first error is the answer. On the home loop.
  using Filter = std::function<asio::awaitable<Result<>>(http::Request&, const http::Route&)>;
  std::vector<Filter> filters;
  http::Router::Guard guard;  ///< before that, on the connection's own loop
  http::Router::Watch watch;  ///< for answers that go on
  http::Callers callers;      ///< who stands behind a request
};

/// The floors below the capabilities, built by app/ before any of them is made; all of it outlives them.
struct Ground {
  const Site& site;
  const bus::RedisSite& shared;  ///< what other servers may share with us
  const store::Options& database;
  asio::any_io_executor home;
  const Clock& clock;
  bus::Bus& bus;
  const bus::Kinds& kinds;  ///< of events, of all capabilities
  bus::EventLog& events;    ///< for what a stranger can cause at will; everything else goes into a transaction
  bus::Redis* redis;        ///< null: none is configured
  store::Store& store;
  jobs::Service& jobs;
  engine::Engines& engines;
  gateway::Gateway& gateway;
  gateway::PortLanes& lanes;
  limits::Service& limits;
  tls::Certificates& certificates;      ///< that gateway, API and page may show
  std::shared_ptr<net::Budget> budget;  ///< of all bytes that wait in the process' memory
  WorkerPool& files;                    ///< short work on files
  WorkerPool& hashing;                  ///< slow hashes
  std::string data;                     ///< the absolute path of the data folder
  std::string identity;                 ///< of this server; its store keeps it
  std::string version;
  /// A file that the program carries in itself; nullopt: there is none of that name.
  std::function<std::optional<std::string_view>(std::string_view)> asset;
  std::function<std::string()> local_url;  ///< where programs on this machine reach the server, once it is open
  std::span<const std::unique_ptr<Capability>> all;
  Doors doors;
  std::string first_link;  ///< what the first admin signs in with once; empty: there is one already

  /// Those of the capabilities that offer something, such as labs::HasSteps or realtime::HasRooms.
  template <class Offer>
  std::vector<Offer*> offering() const {
    std::vector<Offer*> found;
    for (const auto& one : all) {
      if (auto* offer = dynamic_cast<Offer*>(one.get())) found.push_back(offer);
    }
    return found;
  }
};

}  // namespace tiltyard::house
