#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/backoff.h"
#include "base/gate.h"
#include "base/offload.h"
#include "base/parallel.h"
#include "bus/redis.h"
#include "traefik/layout.h"

namespace tiltyard::traefik {

namespace asio = boost::asio;

/// Keeps Redis as it should be. Who has changed something pokes it and goes on; what is written is always the newest
/// state, so that nothing queues up while Redis is away or slow. What Redis has is read when the connection comes
/// (again), after a write that failed, and every so often: then keys of ours that nobody wants go, whoever left them.
/// Lives on one loop.
class Exporter {
 public:
  /// The routes as they are now.
  using Source = std::function<std::vector<Exported>()>;
  Exporter(asio::any_io_executor loop, const Options& options, Gateway gateway, Source source, WorkerPool& files);

  /// `redis-url`.
  Result<> open();
  void poke();
  /// What was written stays: instances go on without us.
  asio::awaitable<void> close();

  /// Since when Redis has not had what it should; nullopt: it has.
  std::optional<std::chrono::steady_clock::time_point> behind() const { return behind_; }
  std::size_t keys() const { return wanted_; }

 private:
  asio::awaitable<void> run();
  asio::awaitable<Result<>> bring_up_to_date();
  asio::awaitable<Result<>> learn();
  asio::awaitable<Result<std::set<std::string>>> ours_there();
  asio::awaitable<Result<>> read_values(std::vector<std::string> names);
  asio::awaitable<Result<>> write(std::vector<std::vector<std::string>> commands);

  asio::any_io_executor loop_;
  const Options& options_;
  Gateway gateway_;
  Source source_;
  WorkerPool& files_;
  std::unique_ptr<bus::Redis> redis_;
  Signal news_;
  Gate gate_{"traefik"};
  Keys has_;                    ///< as far as is known
  Keys extra_;                  ///< of the operator's file
  std::set<std::string> left_;  ///< written of such a file before
  bool known_ = false, dirty_ = true, closing_ = false;
  std::size_t wanted_ = 0;
  std::optional<std::chrono::steady_clock::time_point> behind_;
};

}  // namespace tiltyard::traefik
