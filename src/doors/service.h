#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/gate.h"
#include "base/parallel.h"
#include "doors/addresses.h"
#include "doors/store.h"
#include "gateway/doors.h"
#include "identity/identity.h"
#include "jobs/jobs.h"
#include "labs/capability.h"

namespace tiltyard::doors {

/// What the service uses. All outlive it.
struct Parts {
  asio::any_io_executor home;
  store::Store& store;
  const Clock& clock;
  const bus::Kinds& kinds;
  gateway::Doors& gateway;
  labs::Service& labs;
  std::chrono::seconds address_ttl;
};

/// By what somebody may go in, and until when.
struct Right {
  std::string via;  ///< the team or the share; empty: by what they are
  std::optional<TimePoint> until;
};

/// How long a cookie and a token let somebody in without asking again. Keys live longer (store.h).
inline constexpr std::chrono::hours kCookieLife{12}, kTokenLife{24};

/// Decides who is let in to an instance that is its owner's alone, and tells the gateway: with passes, and with what
/// has been lost since. Lives on the home loop.
class Service {
 public:
  explicit Service(Parts parts) : parts_(parts), lost_(parts.home), addresses_(parts.address_ttl) {}

  void declare_jobs(jobs::Service& jobs);
  /// Keys, and what was lost while no server ran.
  asio::awaitable<Result<>> start();
  /// Follows the log; the gateway sends visitors to `page`.
  asio::awaitable<void> open(std::string page);
  asio::awaitable<void> close();

  /// Its owner, their team and staff; and who came by a shared link that has not ended. nullopt: nobody of these.
  asio::awaitable<Result<std::optional<Right>>> right_of(identity::Principal who, labs::Instance instance);
  /// The same by the secret of a link, which lets the person in from now on; and to which instance it leads.
  /// `link-over` if there is none, `link-taken` if it was for one person and is somebody else's.
  asio::awaitable<Result<std::pair<InstanceId, Right>>> right_by(identity::Principal who, std::string secret);

  /// Empty: there is no key.
  std::string mint(gateway::Pass::Kind kind, const identity::Principal& who, const Right& right,
                   const InstanceId& instance, const std::string& host);
  /// When a pass of this kind ends that is made now.
  TimePoint end_of(gateway::Pass::Kind kind, const Right& right) const;

  /// The share with its id, and the secret of its link. `too-many-shares`
  asio::awaitable<Result<std::pair<Share, std::string>>> share(Share wanted, bus::Actor actor);
  asio::awaitable<Result<std::vector<Share>>> shares_of(InstanceId instance);
  /// `share-unknown`
  asio::awaitable<Result<>> unshare(InstanceId instance, std::string share, bus::Actor actor);

  /// Whether the gateway has still to be told that somebody has used the page or the API from this address.
  bool is_news(const identity::Principal& who, const std::string& address) const;
  asio::awaitable<void> saw(std::shared_ptr<const identity::Principal> who, std::string address);
  /// From this address somebody has come who was let in to this instance: its ports are open to them as they are to its
  /// owner, until `right` ends.
  asio::awaitable<void> let_in_from(std::string user, InstanceId instance, Right right, std::string address);
  /// Until when the address is its owner's.
  std::optional<TimePoint> address_until(const std::string& owner, const std::string& address) const;

  labs::Service& labs() { return parts_.labs; }
  gateway::Doors& gateway() { return parts_.gateway; }
  const std::string& page() const { return page_; }
  TimePoint now() const { return parts_.clock.now(); }

 private:
  asio::awaitable<Result<jobs::Next>> look();
  asio::awaitable<Result<>> look_at_keys();
  asio::awaitable<Result<>> look_at_ends();
  asio::awaitable<void> follow();
  asio::awaitable<void> revoke(std::vector<std::string> subjects);

  Parts parts_;
  std::string page_;
  std::vector<std::uint8_t> keys_;  ///< ids of those that the gateway has
  long long log_ = 0;               ///< until here the event log was read
  Signal lost_;
  std::unique_ptr<store::Listener> listener_;
  std::vector<std::pair<TimePoint, std::string>> again_;  ///< revoked once more then
  Addresses addresses_;
  Gate gate_{"doors"};
};

}  // namespace tiltyard::doors
