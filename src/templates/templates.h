#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/gate.h"
#include "base/result.h"
#include "bus/bus.h"
#include "engine/engines.h"
#include "jobs/jobs.h"
#include "templates/model.h"
#include "templates/reader.h"

namespace tiltyard::store {
class Store;
}

namespace tiltyard::templates {

enum class State { kReady, kBuilding, kWaiting, kBroken, kInactive };

struct BuildStatus {
  int step = 0, steps = 0;
  std::string text;
  TimePoint started_at{};
  std::optional<std::chrono::milliseconds> usual;
};

/// A template with what is known of it right now.
struct Entry {
  std::shared_ptr<const Template> tmpl;
  State state = State::kBuilding;
  std::string reason;  ///< why it is not ready
  std::optional<BuildStatus> build;
};

/// All templates: reads the folders, watches them, makes their images behind the scenes (once per content hash, never
/// at spawn) on the engine that each is for. Lives on the home loop. Publishes `events::kChanged` (subject: the id;
/// also for build progress, at most five a second) and `events::kGone` on the bus.
class Catalogue {
 public:
  Catalogue(Options options, engine::Engines& engines, bus::Bus& bus, const Clock& clock, asio::any_io_executor home);
  ~Catalogue();

  /// Reads all folders (blocking work on its own thread); builds go on behind it once `run` was called.
  asio::awaitable<Result<>> load();
  /// Starts watching and building in the background.
  void run();
  /// The job that looks again.
  void declare_jobs(jobs::Service& jobs);
  /// Looks again at what waits for an image, and at everything of an engine that has come back.
  asio::awaitable<void> look_again();
  asio::awaitable<void> close();

  std::vector<Entry> list() const;  ///< by category and name
  std::optional<Entry> find(const TemplateId& id) const;
  /// What no machine gets more of, whoever says so.
  const engine::Resources& ceiling() const;
  /// Reads one folder, or all, again now.
  asio::awaitable<Result<>> reload(std::optional<TemplateId> id);
  /// Builds its images again even if they are there.
  Result<> rebuild(const TemplateId& id);
  /// An image of it is not on its engine any more: it is looked at again, and made if it can be.
  void image_gone(const TemplateId& id);
  /// What another capability found when it looked at the template of this hash: shown with what the reader found, in
  /// place of what was reported before. An error breaks the template until it changes.
  void report(const TemplateId& id, const std::string& hash, std::vector<Problem> problems);

 private:
  struct State_;
  std::shared_ptr<State_> state_;
};

/// What staff changed about a template at run time (row 1.1).
struct Override {
  std::optional<bool> active;
  std::optional<int> max_instances, pool_min, pool_max;
  std::optional<double> cpus;
  std::optional<std::int64_t> memory, pids;
  std::optional<std::chrono::seconds> timeout, extend_by;
};

/// The templates as they can be started here: with what staff changed about them. Lives on the home loop.
class Offers {
 public:
  Offers(Catalogue& catalogue, store::Store& store, bus::Bus& bus, const Clock& clock)
      : catalogue_(catalogue), store_(store), bus_(bus), clock_(clock) {}

  /// Reads what was changed.
  asio::awaitable<Result<>> load();
  /// A template with its overrides: `template-unknown`, `template-broken`, `template-not-ready`, `template-inactive`.
  Result<std::shared_ptr<const Template>> startable(const TemplateId& id) const;
  std::shared_ptr<const Template> overridden(std::shared_ptr<const Template> tmpl) const;
  const Override* override_of(const TemplateId& id) const;
  /// On disk, and known to who listens, when it returns.
  asio::awaitable<Result<>> change(TemplateId id, Override change, bus::Actor actor);
  /// Who keeps things that were made by the template as it was before.
  void on_changed(std::function<void(const TemplateId&)> heard) { heard_ = std::move(heard); }
  Catalogue& catalogue() const { return catalogue_; }

 private:
  struct Overridden {
    std::shared_ptr<const Template> of, changed;
  };

  Catalogue& catalogue_;
  store::Store& store_;
  bus::Bus& bus_;
  const Clock& clock_;
  std::function<void(const TemplateId&)> heard_;
  std::map<TemplateId, Override> overrides_;
  mutable std::map<TemplateId, Overridden> changed_;
};

/// Something that another capability knows of a template, and shows beside it in the API.
class HasFacts {
 public:
  virtual ~HasFacts() = default;
  virtual void add_facts(const Template& tmpl, boost::json::object& view) const = 0;
  /// The images that what runs is made of, or is made of anew when it is mended: they stay.
  virtual void add_images(std::set<std::string>& images) const {}
};

}  // namespace tiltyard::templates
