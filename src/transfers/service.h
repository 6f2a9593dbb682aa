#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/gate.h"
#include "engine/engines.h"
#include "labs/capability.h"
#include "transfers/sftp.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::transfers {

struct Options {
  std::uint64_t max_size = std::uint64_t{16} << 30;  ///< bytes of one file that is sent into a machine
  int at_once = 6;                                   ///< calls of one user that are under way at the same time
  std::uint64_t rate = 0;                            ///< bytes a second of one transfer; 0: as fast as it goes
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// A machine whose files somebody may have.
struct Place {
  InstanceId instance;
  std::string engine;
  engine::Handle machine;
  std::string service;  ///< the machine's name in its template
  std::string user;     ///< who asks
};

/// The machine that is meant: named, or the first endpoint's, or the first. `machine-unknown`.
Result<Place> place_of(const labs::Instance& instance, const std::string& wanted, std::string user);

/// Conversations with machines about their files. What somebody has used is kept for a while, since the next call comes
/// soon. Lives on the home loop; what it gives out may be let go of on any thread.
class Service {
 public:
  /// How long a conversation that nobody uses is kept; the instance does not sleep meanwhile.
  static constexpr std::chrono::seconds kKept{15};
  static constexpr std::size_t kMostKept = 64;

  Service(const Options& options, labs::Service& labs, engine::Engines& engines, asio::any_io_executor home)
      : options_(options), labs_(labs), engines_(engines), home_(std::move(home)) {}

  struct Kept;
  /// A conversation for as long as this is kept, and its user's place among those under way.
  class Lease {
   public:
    Lease(Service& service, std::shared_ptr<Kept> kept, std::shared_ptr<void> seat);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Sftp& sftp();

   private:
    Service& service_;
    std::shared_ptr<Kept> kept_;
    std::shared_ptr<void> seat_;
  };

  /// Wakes the machine if it sleeps. `too-many-transfers`; what `inside::ensure` says.
  asio::awaitable<Result<std::shared_ptr<Lease>>> enter(Place place);
  /// One of the program's other words, such as `tar FOLDER`, whose output the caller reads. It ends when it is let go.
  struct Running {
    std::shared_ptr<engine::ExecSession> session;
    std::shared_ptr<void> in_use, seat;
    std::function<void(std::shared_ptr<engine::ExecSession>)> end;
    ~Running() { end(std::move(session)); }
  };
  asio::awaitable<Result<std::shared_ptr<Running>>> run(Place place, std::vector<std::string> words);

  const Options& options() const { return options_; }
  asio::awaitable<void> close();

 private:
  asio::awaitable<Result<std::shared_ptr<Kept>>> begin(Place place);
  asio::awaitable<Result<std::shared_ptr<engine::ExecSession>>> start(Place place, std::vector<std::string> words);
  asio::awaitable<void> give_back(std::shared_ptr<Kept> kept);
  void end(std::shared_ptr<engine::ExecSession> session);
  Result<std::shared_ptr<void>> seat_for(const std::string& user);

  const Options& options_;
  labs::Service& labs_;
  engine::Engines& engines_;
  asio::any_io_executor home_;
  std::multimap<std::string, std::shared_ptr<Kept>> idle_;  ///< by user, instance and machine

  struct Seats {
    std::mutex mutex;
    std::map<std::string, int> taken;
  };
  std::shared_ptr<Seats> seats_ = std::make_shared<Seats>();
  Gate gate_{"files"};
};

}  // namespace tiltyard::transfers
