#pragma once

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/compact.h"
#include "base/parallel.h"
#include "base/result.h"
#include "base/secret.h"
#include "engine/spec.h"
#include "labs/doing.h"
#include "labs/model.h"
#include "labs/presence.h"

namespace tiltyard::labs {

namespace asio = boost::asio;

/// What the steps of other capabilities add to a machine before it is created; filled by their `make`.
struct Additions {
  std::vector<engine::Mount> mounts;
  std::vector<std::string> environment;  ///< "NAME=value"; replaces a variable of that name
  std::string archive;                   ///< a tar that is unpacked at "/" before the machine starts; empty: nothing
};

/// What is needed of an instance only while its machines are made or taken away.
struct Making {
  std::map<std::string, Additions> additions;  ///< by service
  std::map<std::string, Secret> words;         ///< what ${NAME} stands for in this instance, as steps offer it
  std::string step;                            ///< what the saga does now, for people
  std::size_t steps_done = 0, steps_total = 0;
  std::chrono::steady_clock::time_point until =
      std::chrono::steady_clock::time_point::max();  ///< it has to run by then
};

/// A Signal that takes no room while nobody waits for it.
class Ripple {
 public:
  void set() {
    set_ = true;
    pulse();
  }
  void pulse() {
    if (signal_) signal_->pulse();
  }
  /// As Signal::wait_for; whoever waits keeps this alive.
  asio::awaitable<bool> wait_for(std::chrono::steady_clock::duration limit);

 private:
  std::shared_ptr<Signal> signal_;
  bool set_ = false;
};

/// An instance while this process looks after it. Lives on the home loop; steps hold it across their awaits.
struct Live {
  Instance instance;
  std::shared_ptr<const templates::Template> tmpl;  ///< null after a restart when the template has changed or gone
  Rare<Making> making;
  Rare<std::map<const void*, std::shared_ptr<const void>>> memory;  ///< of steps, see `remember`
  Ripple changed;                                                   ///< pulsed at each change of state or progress
  Work work;
  Kept kept = Kept::kRunning;
  Rare<std::string> claimant;                          ///< who is being given it from a pool right now
  std::shared_ptr<Use> use;                            ///< null: nobody has, yet
  std::shared_ptr<Waking> waking;                      ///< while it is being woken
  int repairs = 0;                                     ///< times that dead machines were started again
  std::chrono::steady_clock::time_point step_clock{};  ///< when the spawn began
  std::chrono::steady_clock::time_point last_repair{}, sampled{};

  /// What a step wants to know again at the claim, while the instance waits in a pool; in this process only. `who` is
  /// the step, which alone knows what it is.
  void remember(const void* who, std::shared_ptr<const void> what) { memory.there()[who] = std::move(what); }
  std::shared_ptr<const void> remembered(const void* who) const {
    if (!memory) return nullptr;
    const auto found = memory->find(who);
    return found == memory->end() ? nullptr : found->second;
  }
  void forget(const void* who) {
    if (memory && memory->erase(who) > 0 && memory->empty()) memory.reset();
  }

  bool free() const { return work.free(); }
  bool ending() const { return work.ending(); }
  /// Whether a spawn is to end where it is: somebody stops it, or it has taken too long.
  bool given_up() const { return ending() || (making && std::chrono::steady_clock::now() >= making->until); }

  /// For whoever uses it beside the gateway.
  Use& used() {
    if (!use) use = std::make_shared<Use>();
    return *use;
  }
};
using LiveRef = std::shared_ptr<Live>;

/// What an instance is shown as from when a step begins.
enum class Phase { kPreparing, kStarting };

/// One part of a spawn. `make` and `undo` can be repeated at will, and `undo` also works when `make` never ran or was
/// cut in the middle, in this process or in an earlier one: it finds everything by the names in the plan. A `make` that
/// waits for something looks at `given_up()`; one that does not end by itself then is cut, and one that takes too long
/// as well. What steps say of each other is looked at when they are put
/// together (step_order.h).
class Step {
 public:
  virtual ~Step() = default;
  virtual std::string name() const = 0;
  /// Names of the steps that must be done before; steps that do not need each other run side by side.
  virtual std::vector<std::string> after() const { return {}; }
  /// Names of the steps that must wait for this one, whose own lists do not know it.
  virtual std::vector<std::string> before() const { return {}; }
  virtual Phase phase() const { return Phase::kPreparing; }
  virtual asio::awaitable<Result<>> make(LiveRef live) = 0;
  virtual asio::awaitable<Result<>> undo(LiveRef live) = 0;
  /// Whether what `make` makes is gone with this process, and made again by the next one for what runs.
  virtual bool lives_in_process() const { return false; }
  /// Whether it is done for an instance that waits in a pool; otherwise only at the claim.
  virtual bool in_pool() const { return true; }
  /// What a claim for `owner` will need and can be had before it is certain; runs beside the commit, so that both wait
  /// for the disk once. Nothing that anybody sees.
  virtual asio::awaitable<Result<>> prepare_claim(LiveRef live, std::string owner) { co_return Result<>{}; }
  /// Gives what `make` made for a pool to the owner who is in the row by now. Repeated at will, like `make`.
  virtual asio::awaitable<Result<>> claim(LiveRef live) { co_return Result<>{}; }
  /// Whether what `make` made is still there and well, for an instance that runs. `machine-missing`: gone for good;
  /// any other error: `make` can mend it.
  virtual asio::awaitable<Result<>> check(LiveRef live) { co_return Result<>{}; }
};

using Steps = std::vector<std::unique_ptr<Step>>;

/// A capability that can keep everything new from starting.
class HasVeto {
 public:
  virtual ~HasVeto() = default;
  /// Why nothing may start at present, for those who ask for something.
  virtual Result<> may_start() const = 0;
};

/// A capability that joins the spawn.
class HasSteps {
 public:
  virtual ~HasSteps() = default;
  /// Asked once. `instances_folder` holds the instances' own files, a folder for each.
  virtual Steps steps(const std::string& instances_folder) = 0;
  /// What of a template can be made before its owner is known; the least that any of them allows counts.
  virtual PoolChoice pool_choice(const templates::Template& tmpl) { return {}; }
  /// Deletes what is kept of an owner who is gone; their instances have been stopped.
  virtual asio::awaitable<Result<>> forget(std::string owner) { co_return Result<>{}; }
};

}  // namespace tiltyard::labs
