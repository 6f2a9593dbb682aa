#pragma once

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "house/capability.h"
#include "identity/identity.h"
#include "store/store.h"

namespace tiltyard::features {

namespace asio = boost::asio;

/// A part of the range that is on for some and off for others, switched by staff without a release.
struct Feature {
  std::string name;  ///< [a-z0-9][a-z0-9.-]{0,63}
  std::string about;
  bool enabled = false;                ///< off: off for everybody, whatever else it says
  double percent = 0;                  ///< of owners (teams where there are teams), 0 to 100, to hundredths
  std::set<std::string> users, teams;  ///< ids or names for which it is on
  std::optional<identity::Role> role;  ///< on for this role and those above
  TimePoint changed_at{};
  std::string changed_by;
};

/// Who is asked about.
struct Subject {
  std::string_view user, user_name, team, team_name, owner;
  identity::Role role = identity::Role::kPlayer;

  static Subject of(const identity::Principal& principal, std::string_view owner);
};

/// Where an owner stands in a feature's draw, 0 to 9999: the same on every server and for ever, other for each feature;
/// so who has a feature at 10 % has it at 20 %. (Hashing name and key to a bucket is how LaunchDarkly and Unleash roll
/// out; the hash is SipHash-2-4 with a fixed key, Aumasson and Bernstein 2012.)
unsigned draw(std::string_view feature, std::string_view owner);

bool is_on(const Feature& feature, const Subject& subject);

std::vector<store::Migration> migrations();

/// All features, in memory; on the home loop.
class Service {
 public:
  Service(store::Store& store, const Clock& clock);
  ~Service();
  asio::awaitable<Result<>> load();

  /// A switch that a capability has: on for everybody until staff say otherwise.
  void declare(house::Switch one, std::string_view capability);
  /// Which route belongs to a capability that can be hidden; when all routes are there.
  void bind(const house::Routes& routes);
  /// Whether the route at that place of the table is as if it were not there, for this person. Costs nothing while
  /// nobody has touched a switch.
  bool hidden(std::size_t route, const identity::Principal& who) const;
  /// The same for a capability by its name.
  bool hides(std::string_view capability, const identity::Principal& who) const;
  /// The same where nobody is signed in: only what is off for everybody.
  bool hidden_from_everybody(std::size_t route) const;

  /// Whether it is on; what nobody has declared, neither a capability nor staff, is off. Well under a microsecond.
  bool on(std::string_view name, const identity::Principal& principal) const;
  bool on(std::string_view name, const Subject& subject) const;
  /// GET /api/v1/me/features, and the staff's routes under /api/v1/admin/features.
  void add_routes(house::Routes& routes);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::features
