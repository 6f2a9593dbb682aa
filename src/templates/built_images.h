#pragma once

#include <boost/asio/awaitable.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "jobs/jobs.h"
#include "store/store.h"
#include "templates/templates.h"

namespace tiltyard::templates {

/// A template's build on an engine, and what becomes of it.
struct BuiltImage {
  enum class Fate {
    kNeeded,  ///< a template, an instance or a pool is made of it
    kStays,   ///< nobody needs it; it goes at `goes_at`
    kGoes,    ///< nobody needs it, and its time has come
    kInUse,   ///< it was to go, and the engine has a machine that is made of it
    kGone,    ///< it has been removed
  };
  std::string engine, reference;
  std::string tmpl;        ///< the id of the template that it was built for
  std::int64_t bytes = 0;  ///< with what it shares with others
  TimePoint created_at{};
  Fate fate = Fate::kNeeded;
  std::optional<TimePoint> goes_at;  ///< of those that nobody needs; none: only by hand
};

/// Removes the builds that no template needs any more: of contents that have changed, of templates that are gone. Only
/// what was built in our namespace under a build's name, and never what a machine is made of, whosever that is: the
/// engine itself refuses that. Lives on the home loop.
class BuiltImages {
 public:
  /// What it works with; all outlive it.
  struct Parts {
    const Options& options;
    const Catalogue& catalogue;
    engine::Engines& engines;
    store::Store& store;
    const Clock& clock;
    std::vector<HasFacts*> facts;
  };
  explicit BuiltImages(Parts parts) : parts_(std::move(parts)) {}

  void declare_jobs(jobs::Service& jobs);
  /// All builds of ours, by engine and name. An engine that is away has none to show.
  asio::awaitable<std::vector<BuiltImage>> look();
  /// Removes those whose time has come, or `at_once` all that nobody needs; what it did with each that nobody needed.
  asio::awaitable<std::vector<BuiltImage>> collect(bool at_once, bus::Actor actor);

 private:
  using Name = std::pair<std::string, std::string>;  ///< engine, reference
  std::set<Name> needed() const;
  asio::awaitable<void> remove(BuiltImage& image, bus::Actor actor);

  const Parts parts_;
  std::map<Name, TimePoint> unneeded_since_;  ///< as this process saw it
};

}  // namespace tiltyard::templates
