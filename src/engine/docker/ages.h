#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace tiltyard::engine::docker {

/// A known way out of a machine, or around its isolation, that a part of the engine still has.
struct OldPart {
  std::string name, version;  ///< "runc", "1.1.5+ds1"
  std::string known_as;       ///< "CVE-2024-21626"
  std::string harm;           ///< what a hostile machine may do
  std::string fixed_in;       ///< the least versions, for people
};

/// What the answer of GET /version says of parts that are too old. Revisions of a distribution that carry the mending
/// count as mended. What is not known is not complained of.
std::vector<OldPart> old_parts(const boost::json::value& version);

}  // namespace tiltyard::engine::docker
