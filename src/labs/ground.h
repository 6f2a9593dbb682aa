#pragma once

#include "base/gate.h"
#include "base/parallel.h"
#include "engine/engines.h"
#include "labs/live.h"
#include "labs/parts.h"
#include "labs/store.h"

namespace tiltyard::labs {

/// Kinds of jobs that are poked when something has happened that they look for.
inline constexpr const char* kPools = "labs.pools";
inline constexpr const char* kIdle = "labs.idle";
inline constexpr const char* kQueueNews = "labs.queue";

/// What all parts of labs stand on. Lives on the home loop, as they do, and outlives them.
struct Ground {
  Ground(Options wanted, Parts others)
      : options(std::move(wanted)),
        parts(std::move(others)),
        rows(parts.store, parts.jobs),
        engine_changed(parts.home) {}

  const Options options;
  const Parts parts;
  LabsStore rows;
  Gate gate{"labs"};
  Signal engine_changed;  ///< pulsed at each of the engine's events
  bool closing = false;
};

/// Short names for it, for each part.
class OnGround {
 protected:
  explicit OnGround(Ground& ground)
      : ground_(ground), options_(ground.options), parts_(ground.parts), rows_(ground.rows), gate_(ground.gate) {}
  ~OnGround() = default;
  OnGround(const OnGround&) = delete;
  OnGround& operator=(const OnGround&) = delete;

  /// Where its machines are, or will be.
  engine::Engine& engine_of(const Live& live) const {
    const auto& placed = *live.instance.plan.engine;
    return placed.empty() && live.tmpl ? engine_for(*live.tmpl) : parts_.engines.of(placed);
  }
  /// Where instances of the template are made from now on.
  engine::Engine& engine_for(const templates::Template& tmpl) const { return parts_.engines.of(tmpl.engine); }

  Ground& ground_;
  const Options& options_;
  const Parts& parts_;
  LabsStore& rows_;
  Gate& gate_;
};

/// A kind of job that has nothing in its payload.
jobs::Kind job_kind(const char* name, const char* about, std::chrono::milliseconds timeout,
                    std::function<asio::awaitable<Result<jobs::Next>>()> work);

}  // namespace tiltyard::labs
