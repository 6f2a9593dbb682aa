#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/gate.h"
#include "base/parallel.h"
#include "bus/bus.h"
#include "identity/identity.h"
#include "labs/capability.h"
#include "net/http.h"
#include "store/store.h"

namespace tiltyard::grants {

namespace asio = boost::asio;

/// What somebody may do in a machine: see what others do, or type and click as well.
enum class Right { kWatch, kControl };
std::string_view to_string(Right right);
std::optional<Right> right_named(std::string_view word);

/// A way into a machine.
struct Way {
  InstanceId instance;
  std::string machine;  ///< empty: the first endpoint's, or the first
  std::string kind;     ///< "terminal", "command", "desktop", "ssh"
  Right right = Right::kControl;
};

/// Somebody may go in: where to exactly, and by what.
struct Admission {
  labs::Instance instance;
  Way way;          ///< its machine is one of the instance's
  std::string via;  ///< the team or the link; empty: as staff
};

/// Lets somebody in once.
struct Grant {
  std::string token;
  Way way;
  TimePoint ends_at{};
};

inline constexpr std::chrono::seconds kRedeemWithin{30};

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
  bus::Bus& bus;
  labs::Service& labs;
};

/// Who may go into which machine. Lives on the home loop; what `begin` gives may be let go of on any thread.
class Service {
 public:
  explicit Service(Parts parts);

  /// Whether somebody may go that way: the instance's owner, their team, staff. `instance-unknown` (also for somebody
  /// else's: ids tell nothing), `machine-unknown`, `instance-not-running`.
  asio::awaitable<Result<Admission>> admit(identity::Principal who, Way way);

  /// Good for one use within kRedeemWithin, by the same user, for the same way.
  asio::awaitable<Result<Grant>> issue(identity::Principal who, Way way);
  /// Uses a grant up, whether it was good or not; that is on disk when this completes. `grant-over`.
  asio::awaitable<Result<>> redeem(UserId user, std::string token, Way way);
  /// What a route of a way in begins with: admits the caller, and takes the grant (`?grant=`) of one whom a cookie or
  /// an address has signed in. Who sends a credential of their own with each request needs none. `grant-needed`.
  asio::awaitable<Result<Admission>> enter(http::Request request, Way way);

  /// What is open by an admission, for as long as what this returns is kept: it is listed among the instance's sessions
  /// and `end` is called, once, when the instance ends, when who is in may not be there any more, or when they are
  /// thrown out. `still` says whether they are who they were; empty where identity watches over it (whatever answers an
  /// HTTP request).
  struct Opened {
    identity::Principal who;
    Admission admission;
    labs::Sessions::End end;
    std::function<asio::awaitable<bool>()> still = {};
  };
  std::shared_ptr<void> begin(Opened opened);

  void open();
  asio::awaitable<void> close();

 private:
  struct Open;
  struct Listed {
    std::mutex mutex;
    std::map<std::uint64_t, std::shared_ptr<Open>> open;
    std::uint64_t last = 0;
  };
  std::vector<std::shared_ptr<Open>> all_open() const;
  asio::awaitable<void> follow();
  asio::awaitable<bool> may_stay(std::shared_ptr<Open> open);
  asio::awaitable<void> throw_out(std::shared_ptr<Open> open);
  void on_event(const bus::Event& event);

  Parts parts_;
  std::shared_ptr<Listed> listed_ = std::make_shared<Listed>();
  Signal look_;  ///< somebody may have lost a right
  std::unique_ptr<store::Listener> listener_;
  bus::Bus::Subscription subscription_;
  Gate gate_{"grants"};
};

}  // namespace tiltyard::grants
