#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/gate.h"
#include "bus/redis.h"
#include "limits/limiters.h"
#include "limits/memory.h"
#include "limits/shared.h"
#include "net/router.h"
#include "observe/metrics.h"
#include "store/store.h"

namespace tiltyard::jobs {
class Service;
}

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::limits {

/// Whose shares a request is charged to. Without a team the user counts for it; where nobody is signed in, the address
/// counts for all of them.
struct Caller {
  std::string user, team, token, name;
  std::string address;  ///< see address_share()
  /// How much more than others: the admin token belongs to scripts and monitoring, not to a person.
  std::int64_t factor = 1;
};

/// What counts as one address: IPv4 as it is, IPv6 its /64, written as a text.
std::string address_share(const asio::ip::address& address);

struct Options {
  std::vector<Limiter> limiters = standard_limiters();  ///< the whole table, in the order in which staff see it
  double factor = 1;                                    ///< all burst, rates and days are multiplied by it
  std::size_t capacity = 1 << 18;                       ///< keys counted in memory
  std::string prefix = "tiltyard";                      ///< of keys in Redis
  std::chrono::milliseconds retry{500};                 ///< how often Redis is tried while it is away
  std::function<std::int64_t()> micros;                 ///< a clock that never goes back; empty: the steady one
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

std::vector<store::Migration> migrations();

/// The limiters at work: which route has which, what each allows now, and where it is counted: in Redis when there is
/// one and it answers, else in this process. While Redis is away there is one warning and `tiltyard_limits_degraded`
/// is 1.
class Service {
 public:
  /// `redis` may be null; it must outlive this, as the store must.
  Service(asio::any_io_executor home, Options options, store::Store& store, bus::Redis* redis);
  ~Service();

  /// What staff have changed earlier.
  asio::awaitable<Result<>> load();
  /// What staff have changed meanwhile, here or on another server of the database.
  asio::awaitable<Result<>> read_changes();
  /// The job that looks for it. This outlives `jobs`.
  void declare_jobs(jobs::Service& jobs);
  /// Takes up the limiters of all routes of the table, which does not change after it. Throws std::logic_error for a
  /// name that no limiter has: a bug.
  void bind(const http::Router& router);

  /// Before anybody knows who asks: the route's limiters by address, in this process alone, cheaply. Thread-safe. The
  /// refusal is a whole answer.
  std::optional<http::Response> guard(std::size_t route, std::string_view address);
  /// Once it is known: everything else, and by address again where servers share their counts. Adds the RateLimit
  /// fields to `request.answer_fields`. `rate-limited` with `limiter` and `retry_after_s`. On the home loop.
  asio::awaitable<Result<>> pass(std::size_t route, http::Request& request, Caller caller);
  /// One act that is no request, such as a message over an open connection. `limiter` is a name of the table;
  /// `rate-limited` as from `pass`.
  asio::awaitable<Result<>> charge(std::string_view limiter, Caller caller);
  /// Whether a limiter of the route counts by `key`; what costs something to find out is asked only then.
  bool counts(std::size_t route, Key key) const;

  const std::vector<Limiter>& limiters() const { return options_.limiters; }
  /// The place of a limiter in the table.
  std::optional<std::size_t> find(std::string_view name) const;

  // What staff see and change. On the home loop.
  Rates rates(std::size_t limiter) const;  ///< without the factor
  bool changed(std::size_t limiter) const { return changes_.contains(limiter); }
  /// At once, on every server of the database, and for good; nullopt: as declared. `actor` is who did it, for the
  /// record.
  asio::awaitable<Result<>> change(std::size_t limiter, std::optional<Rates> rates, std::string actor);
  /// "memory", "redis" or "memory, because Redis is away".
  std::string_view counted_in() const;

  asio::awaitable<void> close();

 private:
  /// What a limiter allows now, read by all loops. A reader may see one number of a change before the other.
  struct Live {
    std::atomic<std::int64_t> interval{0}, tolerance{0}, day_interval{0}, day_tolerance{0};
  };
  struct Route {
    std::vector<std::size_t> early, late;  ///< limiters by address, and the others
    bool open = false;
  };
  struct Charges;

  static asio::awaitable<void> read_changes_of_others(Service* self);
  void set(std::size_t limiter, const Rates& rates);
  void add(Charges& to, std::size_t limiter, std::string_view subject, std::int64_t factor) const;
  asio::awaitable<Outcome> take(const Charges& charges, std::size_t first_late);
  void degrade(const Error& error);
  static asio::awaitable<void> recover(Service* self);

  asio::any_io_executor home_;
  Options options_;
  store::Store& store_;
  Memory memory_;
  bus::Redis* redis_;
  std::optional<Shared> shared_;
  std::vector<Live> live_;
  std::vector<metrics::Counter> refusals_;  ///< by limiter
  std::vector<Route> routes_;
  std::map<std::size_t, Rates> changes_;
  std::uint64_t edition_ = 0;  ///< moves on with every change made here
  bool degraded_ = false, recovering_ = false;
  std::unique_ptr<store::Listener>
      listener_;  ///< hears of changes, also of those that other servers of the database make
  Gate gate_{"limits"};
};

}  // namespace tiltyard::limits
