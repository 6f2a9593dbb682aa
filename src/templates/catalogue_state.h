#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/offload.h"
#include "templates/templates.h"
#include "templates/watch.h"

namespace tiltyard::templates {

/// The catalogue's inside. Everything but the reading of folders happens on the home loop.
///
/// An item's images are looked at by `settle` (what is missing, and can it be made?), which leaves it ready, waiting,
/// or with builds to do; `build_loop` takes the smallest of those. `look_again` looks again at what waits, and at
/// everything of an engine that has come back.
struct Catalogue::State_ : std::enable_shared_from_this<Catalogue::State_> {
  /// A template folder.
  struct Item {
    std::shared_ptr<const Template> tmpl;
    State state = State::kBuilding;
    std::string reason;
    std::optional<BuildStatus> build;
    std::uint64_t version = 0;         ///< goes up with every change, so that an answer for an older one is not taken
    std::vector<std::size_t> missing;  ///< services whose image is to be made, by index
    std::set<std::string> forced;      ///< image references to be built again
    bool build_failed = false;
    std::vector<Problem> reported;  ///< by other capabilities; the last of the template's problems
  };

  State_(Options options, engine::Engines& engines, bus::Bus& bus, const Clock& clock, asio::any_io_executor home);

  asio::awaitable<Result<>> load();
  void run();
  asio::awaitable<void> close();
  std::vector<Entry> list() const;
  std::optional<Entry> find(const TemplateId& id) const;
  asio::awaitable<Result<>> reload(std::optional<TemplateId> id);
  Result<> rebuild(const TemplateId& id);
  void image_gone(const TemplateId& id);
  void report(const TemplateId& id, const std::string& hash, std::vector<Problem> problems);

  // Folders
  asio::awaitable<Result<>> read_all();
  asio::awaitable<void> read_one(std::string folder);
  void take(const std::string& folder, Template tmpl);
  void drop(const std::string& folder);
  void mark_twins();
  const std::string* folder_of(const TemplateId& id) const;

  // Images
  struct Looked {
    bool missing = false;      ///< it is to be made
    std::string waiting = {};  ///< why it cannot be yet
    std::string broken = {};   ///< why it cannot be at all
  };
  struct Below {
    std::string hash;                  ///< of the ids of all; empty: not all are there
    std::vector<std::string> missing;  ///< names
    std::string triggers;              ///< one that has ONBUILD instructions
    std::string fault;                 ///< the engine did not say
  };
  asio::awaitable<Looked> look_at(engine::Engine& engine, const Template& tmpl, const Service& service, bool forced);
  asio::awaitable<Below> look_below(engine::Images& images, const Service& service) const;
  asio::awaitable<std::vector<std::string>> own_images(engine::Engine& engine);
  asio::awaitable<void> settle(std::string folder);
  asio::awaitable<void> build_one(std::string folder);
  asio::awaitable<Result<engine::ImageInfo>> make_image(std::string folder, std::size_t index);
  std::optional<std::string> next_to_build() const;
  void progressed(const std::string& folder, std::uint64_t version, const engine::BuildProgress& progress);
  void set_state(Item& item, State state, std::string reason);
  void publish(const TemplateId& id, bool gone = false);
  void wake();

  // What runs in the background
  asio::awaitable<void> watch_loop();
  asio::awaitable<void> build_loop();
  asio::awaitable<void> look_again();
  std::set<std::string> engines_away() const;

  const Options options;
  engine::Engines& engines;
  bus::Bus& bus;
  const Clock& clock;
  const asio::any_io_executor home;
  WorkerPool reader{"templates", 1};
  Gate gate{"templates"};
  Watcher watcher;
  bool watching = false;
  std::map<std::string, Item> items;                       ///< by folder name
  std::set<std::string> building;                          ///< folders whose images are being made
  std::map<std::string, std::chrono::milliseconds> usual;  ///< how long the last build took, by image without its tag
  std::map<std::string, TimePoint> told;                   ///< when progress was last published, by folder
  std::vector<std::shared_ptr<asio::steady_timer>> sleepers;
  std::map<std::string, std::pair<TimePoint, std::vector<std::string>>> own_names;  ///< by engine, as of when
  std::set<std::string> away;  ///< engines that were, at the last look
};

}  // namespace tiltyard::templates
