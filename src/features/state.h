#pragma once

#include <boost/json/object.hpp>

#include "features/features.h"

namespace soci {
class session;
}

namespace tiltyard::features {

struct Service::State {
  State(store::Store& s, const Clock& c) : store(s), clock(c) {}
  store::Store& store;
  const Clock& clock;
  std::map<std::string, Feature, std::less<>> all;
  struct Declared {
    house::Switch said;
    std::string capability;
  };
  std::map<std::string, Declared, std::less<>> declared;
  std::vector<std::string> whole;  ///< by route: the switch that hides its capability; empty: there is none

  bool on(std::string_view name, const Subject& subject) const;
  /// As staff see it: what they said, or else what its capability declared.
  std::optional<Feature> shown(std::string_view name) const;
};

inline constexpr std::size_t kMostFeatures = 500;
inline constexpr std::size_t kMostTargets = 10'000;  ///< users, and teams, of one feature

boost::json::object to_json(const Feature& feature);
/// `invalid-body` names what is wrong.
Result<Feature> from_json(std::string name, const boost::json::object& body);

namespace sql {
Result<std::vector<Feature>> read_all(soci::session& session);
/// With the event, in the caller's transaction.
Result<> write(soci::session& session, const Feature& feature);
Result<> remove(soci::session& session, const std::string& name, const std::string& actor, TimePoint at);
}  // namespace sql

}  // namespace tiltyard::features
