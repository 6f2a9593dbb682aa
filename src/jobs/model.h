#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace tiltyard::jobs {

namespace asio = boost::asio;

/// Grows with the time of making: microseconds since 1970 above ten bits that tell servers apart, so that rows are
/// appended and nobody has to be asked for a number. A decimal text in JSON, whose numbers end at 2^53.
using JobId = std::int64_t;

/// One firing of a job, as its handler sees it. A job may be fired again after a crash, a time-out or an error: what
/// has effects outside of the database uses `key` so that the other side can tell.
struct Firing {
  JobId id = 0;
  std::string kind;
  std::string payload;
  std::string key;  ///< the same at every attempt of this firing, another one for the next firing of a schedule
  int attempt = 1;
  bool last_attempt = false;  ///< an error now makes it a dead letter
  bool maybe_begun = false;   ///< an earlier attempt began and nobody knows how far it came
  TimePoint due{};
};

/// What becomes of a job whose handler has ended without an error.
struct Next {
  enum class What { kDone, kAgain, kGiveUp };
  What what = What::kDone;
  Duration after{};     ///< for kAgain
  std::string because;  ///< for kGiveUp

  static Next done() { return {}; }
  /// Once more after `delay`; that is no failure and no attempt (the other side asked for a pause).
  static Next again(Duration delay) { return {What::kAgain, delay, {}}; }
  /// A dead letter at once: no further attempt can help.
  static Next give_up(std::string why) { return {What::kGiveUp, {}, std::move(why)}; }
};

/// Runs on the home loop; blocking work goes to a WorkerPool. An Error, an exception and the time-out are failed
/// attempts; `Code::kCancelled` gives the job back without counting (we are shutting down).
using Handler = std::function<asio::awaitable<Result<Next>>(Firing)>;

/// The n-th retry comes after first * 2^(n-1), at most `longest`, a quarter more or less by chance, so that those who
/// failed together do not come back together.
struct Backoff {
  Duration first = std::chrono::seconds{1};
  Duration longest = std::chrono::minutes{15};
};
Duration delay_after(const Backoff& backoff, int failed_attempts, double chance);

/// At most `count` starts each `window`, and up to `count` of them at once. On each server.
struct Rate {
  int count = 1;
  Duration window = std::chrono::seconds{1};
};

/// What happens to firings whose time has passed (the server was down, the kind was paused).
enum class Missed {
  kOnce,  ///< a schedule that missed several fires once, then goes on in time; a one-shot fires now
  kAll,   ///< a schedule fires once for each that it missed, at most kMostCaughtUp; a one-shot fires now
  kSkip,  ///< what is later than `late_after` does not run at all
};
inline constexpr int kMostCaughtUp = 1000;

/// Whether a schedule's state is kept on disk. kMemory is for short polls that are declared at every start and have
/// nothing to lose: no row, no commit, the same board, time-out and order.
enum class Keep { kDisk, kMemory };

/// How jobs of one kind are treated; declared once, before the service starts.
struct Kind {
  std::string name;   ///< dotted: "labs.lease-end"
  std::string about;  ///< one sentence for the board
  Handler handler;
  int tries = 20;  ///< attempts, then it is a dead letter
  Backoff backoff{};
  std::chrono::milliseconds timeout{60'000};  ///< of one attempt
  int priority = 0;                           ///< larger first; a job may have its own
  std::size_t at_once = 10;                   ///< on each server
  std::optional<Rate> rate = std::nullopt;
  Missed missed = Missed::kOnce;
  Duration late_after = std::chrono::minutes{1};  ///< for Missed::kSkip
  std::size_t most_waiting = 1'000'000;  ///< more are refused (`jobs-full`): a job that makes jobs for ever ends there
  bool keep_dead = true;                 ///< dead letters stay until somebody retries or cancels them
};

/// A job to be made.
struct NewJob {
  std::string kind;
  std::string payload;                          ///< for the handler; no secrets: staff can read it
  std::optional<TimePoint> due = std::nullopt;  ///< unset or past: now
  std::optional<int> priority = std::nullopt;
  std::string lane;    ///< jobs of one kind and lane run one after the other, in the order of their making
  std::string unique;  ///< there is at most one live job of this kind and key
  std::string bundle;  ///< to cancel or move many together
};

/// What a second job with a `unique` key that is taken does to the first.
enum class IfTaken { kKeep, kReplace };

enum class JobState { kWaiting, kRunning, kFailed, kDone };
std::string_view to_string(JobState state);

}  // namespace tiltyard::jobs
