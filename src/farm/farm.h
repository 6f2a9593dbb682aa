#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/offload.h"
#include "base/result.h"
#include "bus/bus.h"
#include "farm/config.h"
#include "farm/model.h"
#include "house/routes.h"
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "store/store.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::farm {

namespace asio = boost::asio;

struct Options {
  std::string config_file;   ///< farm.toml; empty: there is no farm, and every call is answered `farm-off`
  std::string data_folder;   ///< where the farm's token is kept when the file names none
  bool watch = true;         ///< take up the file when it changes
  std::string grpc_listen;   ///< where its calls are answered over gRPC as well; empty: nowhere
  std::string senders_user;  ///< the account of senders that the server starts; empty: a number that nobody has
  std::vector<std::string> allow_targets;  ///< of the jury, although net::Reach refuses them
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  bus::Bus& bus;
  const Clock& clock;
  WorkerPool& workers;  ///< parses what is large
  jobs::Service& jobs;
};

/// Numbers 700 to 749 are ours.
std::vector<store::Migration> migrations();

/// The flag farm: takes flags in, keeps them through any crash, hands them out to senders, and keeps the books. REST
/// and gRPC are transports to these calls. Everything runs on the home loop (`Parts::home`).
///
/// Errors of all calls: `farm-off` (no farm is configured), `store-full`, `store-busy`, `store-failed`,
/// `shutting-down`.
class Service {
 public:
  Service(Options options, Parts parts);
  ~Service();

  /// Reads the configuration (`farm-config-invalid` names file, line and reason) and the books from the store, and
  /// declares the jobs that look after leases, expiry, the configuration file and attack data.
  asio::awaitable<Result<>> start();
  /// /api/v1/farm/…, /api/get_config and /api/post_flags.
  void add_routes(house::Routes& routes);
  /// Answers those who wait for flags, so that the server can stop at once.
  void stop_waiting();
  /// Ends everything, writes what is left.
  asio::awaitable<void> close();

  bool on() const;
  /// What is in force; never null, but empty while the farm is off.
  std::shared_ptr<const Config> config() const;
  /// Is called whenever another configuration has come into force; empty: nobody is. There is one.
  void on_config(std::function<void()> hook);
  /// Whether one of these texts, which somebody at this address shows, is the farm's token. Constant time; for any
  /// thread. False for an address that has shown too many wrong ones (`bars`).
  bool knows(std::span<const std::string_view> shown, std::string_view address) const;
  bool bars(std::string_view address) const;
  /// Whether the address may call once more over gRPC.
  bool may_call(std::string_view address) const;
  /// Why the senders that the configuration asks for do not run; nullopt: they do. Shown with the configuration.
  void senders_trouble(std::optional<Error> why);
  /// Whether a request carries it, in `X-Token` or in `Authorization` (bare, or after "Bearer").
  bool carries_token(const http::Request& request) const;
  /// Who a request to a route of the farm is by its `X-Token` or `Authorization`; null when it carries no token of the
  /// farm.
  std::shared_ptr<const identity::Principal> principal(const http::Request& request, const http::Route& route) const;

  /// Takes flags in. Answers when all of them are on disk, also those that somebody else has just posted. At most
  /// kMostFlagsInPost; the views must live until it completes. `too-many-flags`, `farm-busy` when the disk does not
  /// keep up.
  asio::awaitable<Result<PostReceipt>> post(std::vector<NewFlag> flags);
  /// Up to `most` flags (0: a whole call of the jury's) for a sender. Waits for up to `wait` until there is something
  /// to send and the shared rate allows a call; nullopt when there is nothing by then. The lease is on disk.
  asio::awaitable<Result<std::optional<Lease>>> lease(std::string sender, std::size_t most,
                                                      std::chrono::milliseconds wait);
  /// Notes verdicts; may be called many times for a lease. On disk when it answers. `lease-unknown`.
  asio::awaitable<Result<VerdictReceipt>> report(VerdictReport report);
  /// Gives a slow jury more time: another lease time from now. `lease-unknown`, `lease-ended`.
  asio::awaitable<Result<TimePoint>> extend(std::string lease);
  /// Counts of all flags.
  Tally totals() const;
  /// {"service": {"team": [flag id, …]}} as text, and whether the jury has not been heard of for too long.
  struct AttackData {
    std::string json;
    bool stale = true;
  };
  AttackData attack_data() const;

  struct State;  ///< known only inside farm/

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::farm
