#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "labs/capability.h"
#include "ports/free.h"
#include "ports/look.h"
#include "ports/policy.h"

namespace tiltyard::ports {

/// What an owner sees of the ports of an instance.
struct View {
  Policy policy;
  int left = 0;  ///< how many more may be opened
  std::vector<Machine> machines;
  std::map<std::string, std::uint16_t> free;  ///< by machine: one that nobody uses
};

struct Wanted {
  std::string machine;  ///< empty: the first endpoint's, or the first
  std::uint16_t port = 0;
  EndpointKind kind = EndpointKind::kHttp;
  std::string name;
};

/// What was opened, and whether its program listens already.
struct Opened {
  labs::PlannedEndpoint endpoint;
  bool listens = false;
};

/// Ports of machines for those who own them; whether they do is the caller's to know. Lives on the home loop.
class Service {
 public:
  Service(const Options& options, labs::Service& labs, engine::Engines& engines, WorkerPool& files)
      : options_(options), labs_(labs), engines_(engines), files_(files) {}

  asio::awaitable<View> look(labs::Instance instance, std::string who);
  /// Promises `who` a port of the machine that nobody uses. `machine-unknown`, `ports-off`, `machine-closed`,
  /// `machine-unseen`, `no-free-port`.
  asio::awaitable<Result<std::uint16_t>> give(labs::Instance instance, std::string machine, std::string who);
  /// Within the policy; `ports-exceeded` when as many are open as may be; `port-unreachable` when its program listens
  /// where nobody comes to; and what labs says.
  asio::awaitable<Result<Opened>> open(labs::Instance instance, Wanted wanted, bus::Actor actor);
  asio::awaitable<Result<>> close(InstanceId id, std::string name, bus::Actor actor);

 private:
  /// The instance's place among those that are just being opened, so that two at once are no more than is allowed.
  struct Place {
    Service& service;
    InstanceId instance;
    std::string owner;
    Place(Service& all, const labs::Instance& of);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
  };

  Policy policy_of(const labs::Instance& instance) const;
  int left(const labs::Instance& instance, const Policy& policy) const;
  std::optional<std::uint16_t> free_of(const labs::Instance& instance, const Machine& machine, const Policy& policy,
                                       const std::string& who);

  const Options& options_;
  labs::Service& labs_;
  engine::Engines& engines_;
  WorkerPool& files_;
  Promises promises_;
  std::map<InstanceId, int> opening_;
  std::map<std::string, int> opening_of_owner_;
};

/// The service of the machine that is meant: named, or the first endpoint's, or the first. `machine-unknown`.
Result<std::string> machine_of(const labs::Instance& instance, const std::string& wanted);

}  // namespace tiltyard::ports
