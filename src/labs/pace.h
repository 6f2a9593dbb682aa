#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/id.h"

namespace tiltyard::labs {

/// How fast spawns go here, and how many of them side by side go fastest (row 1.7). Pure: it is told of every spawn's
/// begin and end, and the time comes in with each call. One loop; no locks.
///
/// A spawn of template t beside n in all is taken to last weight(t) · slowdown(n). Weights are how long a template
/// takes when it is alone; the slowdown says what the others cost it. Both are learned from what spawns took. The best
/// number at once is where n / slowdown(n) is greatest, and it is climbed to step by step: some spawns beside one more
/// or one less, compared with the same before, and the step is kept only if it paid.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// What is worth keeping over a restart, by name: "limit", "slowdown.<n>", "weight.<template>" (seconds).
  using Known = std::map<std::string, double>;

  /// `most` is the configured ceiling of spawns at once, at least 1.
  explicit Pace(std::size_t most);

  /// What an earlier process learned. Values that make no sense are left out; all of it counts little against new ones.
  void restore(const Known& known);
  Known known() const;
  /// A first idea of a template's time alone, used until one has been measured.
  void expect(const TemplateId& tmpl, std::chrono::microseconds alone);

  void begin(const InstanceId& id, const TemplateId& tmpl, Time now);
  /// A spawn that failed or was stopped says nothing about how long one takes. Unknown ids are ignored.
  void end(const InstanceId& id, bool success, Time now);

  /// How many may be under way now, from 1 to the ceiling; at times one beside the best, to find out.
  std::size_t limit() const;
  /// The best number at once as far as is known.
  std::size_t best() const { return base_; }
  /// Spawns that complete per second while all places are taken, of the templates that were spawned lately; 0: unknown.
  double per_second() const;

  /// From `now` until each of `waiting`, who start in this order, runs. `taken`: places taken, also by spawns that this
  /// object has not been told of. Never negative, never less for one further behind, and less as time passes.
  std::vector<std::chrono::milliseconds> forecast(const std::vector<TemplateId>& waiting, std::size_t taken,
                                                  Time now) const;

 private:
  struct Slowdown {
    double value = 0;  ///< 0: never measured
    double count = 0;  ///< how many spawns it stands for, at most kMemory
  };
  struct Weight {
    double seconds = 0;
    bool measured = false;
  };
  struct Running {
    TemplateId tmpl;
    Time begun{};
    double area = 0;  ///< of the number running over time, when it began
    std::size_t epoch = 0;
  };

  double slowdown(double beside) const;
  double weight(const TemplateId& tmpl) const;
  void pass(Time now);
  void learn(const Running& spawn, double took, double beside);
  void note(std::size_t beside, double value, double part);
  void climb(double value);
  void judge();
  double rate(std::size_t limit) const;

  std::size_t most_;
  std::vector<Slowdown> slowdowns_;  ///< by the number at once, from 1
  std::unordered_map<TemplateId, Weight> weights_;
  std::unordered_map<InstanceId, Running> running_;
  Time last_{};
  double area_ = 0;      ///< number running × seconds since the beginning
  double residual_ = 0;  ///< mean of log(measured / expected), to tell a heavy template from a slow server
  double usual_ = 0;     ///< mean weight of what was spawned lately, in seconds

  std::size_t base_;   ///< the best so far
  int step_ = 0;       ///< what is tried beside it: -1, 0, 1
  int direction_ = 1;  ///< of the next try
  int patience_ = 1;   ///< rounds at the base before the next try
  int rounds_ = 0;
  std::size_t epoch_ = 0;      ///< counts changes of the limit: a spawn that lived through one says nothing of either
  std::vector<double> round_;  ///< slowdowns measured in this round
};

}  // namespace tiltyard::labs
