#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/result.h"
#include "base/secret.h"
#include "engine/spec.h"
#include "labs/model.h"

namespace tiltyard::labs {

namespace asio = boost::asio;

/// What the steps of other capabilities add to a machine before it is created; filled by their `make`.
struct Additions {
  std::vector<engine::Mount> mounts;
  std::vector<std::string> environment;  ///< "NAME=value"; replaces a variable of that name
  bool set_user_id = false;              ///< its set-user-ID programs and file capabilities shall count
  std::string archive;                   ///< a tar that is unpacked at "/" before the machine starts; empty: nothing
};

/// What a step sees of an instance, and the little of it that a step may change. What labs does with it beside is none
/// of a step's business. Lives on the home loop; steps hold it across their awaits.
class Spawn {
 public:
  Spawn() = default;
  virtual ~Spawn() = default;
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  /// As its row has it.
  virtual const Instance& facts() const = 0;
  /// Of its plan a step changes what only the making shows: handles, addresses, ports, how machines are.
  virtual Plan& plan() = 0;
  /// Null after a restart when the template has changed or gone.
  virtual const std::shared_ptr<const templates::Template>& origin() const = 0;
  /// Its machines are only created, and start when somebody claims it.
  virtual bool starts_at_claim() const = 0;
  /// Whether a spawn is to end where it is: somebody stops it, or it has taken too long.
  virtual bool given_up() const = 0;
  /// Waits for something to change with it, such as that it is given up, at most `limit`.
  virtual asio::awaitable<void> change(std::chrono::steady_clock::duration limit) = 0;

  /// What steps add to the machine of this service before it is created.
  virtual Additions& additions(const std::string& service) = 0;
  /// What ${NAME} stands for in this instance, as steps offer it.
  virtual std::map<std::string, Secret>& words() = 0;

  /// What a step wants to know again at the claim, while the instance waits in a pool; in this process only. `who` is
  /// the step, which alone knows what it is.
  virtual void remember(const void* who, std::shared_ptr<const void> what) = 0;
  virtual std::shared_ptr<const void> remembered(const void* who) const = 0;
  virtual void forget(const void* who) = 0;
};
using SpawnRef = std::shared_ptr<Spawn>;

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
  virtual asio::awaitable<Result<>> make(SpawnRef spawn) = 0;
  virtual asio::awaitable<Result<>> undo(SpawnRef spawn) = 0;
  /// Whether what `make` makes is gone with this process, and made again by the next one for what runs.
  virtual bool lives_in_process() const { return false; }
  /// Whether it is done for an instance that waits in a pool; otherwise only at the claim.
  virtual bool in_pool() const { return true; }
  /// What a claim for `owner` will need and can be had before it is certain; runs beside the commit, so that both wait
  /// for the disk once. Nothing that anybody sees.
  virtual asio::awaitable<Result<>> prepare_claim(SpawnRef spawn, std::string owner) { co_return Result<>{}; }
  /// Gives what `make` made for a pool to the owner who is in the row by now. Repeated at will, like `make`.
  virtual asio::awaitable<Result<>> claim(SpawnRef spawn) { co_return Result<>{}; }
  /// Whether what `make` made is still there and well, for an instance that runs. `machine-missing`: gone for good;
  /// any other error: `make` can mend it.
  virtual asio::awaitable<Result<>> check(SpawnRef spawn) { co_return Result<>{}; }
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
