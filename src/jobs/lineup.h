#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jobs/model.h"
#include "jobs/stats.h"
#include "jobs/timers.h"

namespace tiltyard::jobs {

/// The numbers under which texts are known in memory: a lane's or a bundle's. 0 is no text. Two texts with one number
/// cost an order that nobody asked for, nothing else (lanes are held again by the statement that claims).
std::uint64_t number_of(std::string_view text);

struct Line;

/// A job that waits, as far as memory has to know it.
struct Waiting {
  JobId id = 0;
  Line* line = nullptr;
  std::int64_t due = 0, not_before = 0;  ///< microseconds since 1970
  int priority = 0;
  std::uint64_t lane = 0, bundle = 0;

  enum class Place { kTimed, kReady, kParked };
  Place place = Place::kTimed;
  Timers::Handle timer{};
};

/// One kind: what was declared of it, and what waits and runs.
struct Line {
  struct Order {
    int priority;
    std::int64_t due;
    JobId id;
    bool operator<(const Order& other) const {
      if (priority != other.priority) return priority > other.priority;
      return due != other.due ? due < other.due : id < other.id;
    }
  };

  Kind kind;
  bool known = true;  ///< this server has a handler
  bool paused = false;
  std::string paused_by;
  std::size_t waiting = 0, running = 0, dead = 0;
  std::int64_t rate_debt = 0;  ///< the time at which the rate is used up no more (GCRA's TAT), microseconds
  std::set<Order> ready;
  std::unordered_map<std::uint64_t, std::set<JobId>> lanes;  ///< all that live, the running one too
  Stats stats;

  bool has_room(std::int64_t now) const;
  void charge(std::int64_t now);
  /// When the rate allows the next start; 0: now.
  std::int64_t rate_allows_at(std::int64_t now) const;
};

/// What waits, and in which order it goes. Jobs are timed, then ready; in a lane only the first can be ready. One
/// thread.
class Lineup {
 public:
  explicit Lineup(std::int64_t now_micros) : timers_(now_micros / 1000) {}

  /// The line of a kind; one that nobody declared is made as unknown and waits for a server that knows it.
  Line& line(const std::string& kind);
  std::map<std::string, std::unique_ptr<Line>, std::less<>>& lines() { return lines_; }
  const std::map<std::string, std::unique_ptr<Line>, std::less<>>& lines() const { return lines_; }

  /// A new job, or a known one with another time or priority.
  void learn(Waiting job);
  /// It is cancelled, or somebody else's; its place in the lane is free.
  void forget(JobId id);
  /// Ids of a bundle that wait.
  std::vector<JobId> of_bundle(const Line& line, std::uint64_t bundle) const;
  const Waiting* find(JobId id) const;

  /// What is due by `now` becomes ready.
  void advance(std::int64_t now);
  /// Takes up to `most` jobs out, the most urgent first, as far as their kinds have room; they count as running.
  std::vector<Waiting> take(std::int64_t now, std::size_t most);
  /// One that was taken has ended and will not come back: the next of its lane may go.
  void leave_lane(Line& line, std::uint64_t lane, JobId id);

  /// When `advance` or `take` could have something to do again, in microseconds; nullopt: only after news.
  std::optional<std::int64_t> next(std::int64_t now) const;
  std::size_t size() const { return waiting_.size(); }

 private:
  void make_ready(Waiting& job);
  void park_or_ready(Waiting& job);
  void drop(std::unordered_map<JobId, Waiting>::iterator at);
  Line* best(std::int64_t now);

  Timers timers_;
  std::map<std::string, std::unique_ptr<Line>, std::less<>> lines_;
  std::unordered_map<JobId, Waiting> waiting_;
  std::unordered_map<std::uint64_t, std::set<JobId>> bundles_;
  std::vector<std::int64_t> fired_;
};

}  // namespace tiltyard::jobs
