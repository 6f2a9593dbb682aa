#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>

#include "base/gate.h"
#include "base/offload.h"
#include "base/secret.h"
#include "bus/bus.h"
#include "engine/engines.h"
#include "flags/model.h"
#include "flags/store.h"
#include "templates/templates.h"

namespace tiltyard::config {
class Keys;
}

/// Flags (rows 5.1 and 5.2): one per owner and template, made once and kept; and where they go in the machines.
namespace tiltyard::flags {

struct Options {
  std::string prefix = "FLAG";
  std::string folder;  ///< absolute, the server's own: contents of images that hold placeholders
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// How far images are looked into: for all that is to be known; for the flag alone, as it was known before; or not at
/// all, so that what was never looked into is an error (`not-scanned`).
enum class Look { kAll, kForFlags, kRemember };

/// What the service uses. All outlive it.
struct Parts {
  store::Store& store;
  engine::Engines& engines;
  templates::Catalogue& catalogue;
  bus::Bus& bus;
  WorkerPool& files;  ///< short work on files
  const Clock& clock;
  asio::any_io_executor home;
};

/// Lives on the home loop. Images are looked into one after the other, on a thread of the service's own.
class Service {
 public:
  Service(Options options, Parts parts);
  ~Service();

  /// Before instances are looked after again: the plans of templates with pools, as far as their images are known.
  asio::awaitable<void> recall();
  /// Looks into the images of templates in the background, as soon as they are ready, and reports what is wrong.
  void run();
  asio::awaitable<void> close();

  /// The owner's flag of this template: made at the first call, the same for ever after. Known ones cost no database
  /// read. Empty where flags are switched off for the template and its files hold none. `plan`: the template's, where
  /// the caller has it. Errors: those of `plan_of`, of the store.
  asio::awaitable<Result<Secret>> flag_of(std::string owner, std::shared_ptr<const templates::Template> tmpl,
                                          std::shared_ptr<const Plan> plan = nullptr);
  /// Deletes the flags of an owner who is gone (row 9.4: flag.deleted).
  asio::awaitable<Result<>> forget(std::string owner);
  /// Whose flag this is; nullopt: nobody's.
  asio::awaitable<Result<std::optional<FlagOwner>>> owner_of(std::string flag);

  /// Where the template's flag goes. Looks into its images if that was not done yet, which can take as long as reading
  /// them. Errors: `flags-broken` (the plan's problems say why), `image-missing`, those of `scan_image` and of the
  /// engine.
  asio::awaitable<Result<std::shared_ptr<const Plan>>> plan_of(std::shared_ptr<const templates::Template> tmpl,
                                                               Look look = Look::kAll);
  /// The kind of warm pool that the template can have; none while that is not known yet.
  labs::PoolChoice pool_kind_of(const templates::Template& tmpl) const;

  /// Its program moved a file with the flag when it started, or edited it away: from now on the template's machines
  /// wait without having been started.
  void note_moved(const templates::Template& tmpl);

  /// Whether files of this host can be mounted into the engine's machines.
  asio::awaitable<Result<bool>> shares_files(std::string engine);

  const Options& options() const;
  WorkerPool& files();
  engine::Engines& engines();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::flags
