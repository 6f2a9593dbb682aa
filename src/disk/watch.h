#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "disk/usage.h"

namespace tiltyard::disk {

/// A machine that runs, and where it writes on this host.
struct Watched {
  std::string name;
  Most most;
  std::vector<std::string> places;
  std::string processor;  ///< see engine::Footprint
};

/// Whose writing is too much.
struct Found {
  std::string name;
  Usage usage;
};

/// Looks at machines in the order of how much they may have written, and at no more than it may cost. A thousand
/// machines take under a hundredth of a core: who has hardly run since the last look has hardly written; the others
/// are looked through at most every few seconds, and all looks together have an allowance. While free space falls
/// fast, that is more. Belongs to one thread.
class Watch {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  using Count = std::function<Usage(const Watched&)>;

  explicit Watch(Now now = Clock::now, Count count = count_here) : now_(std::move(now)), count_(std::move(count)) {}

  void put(Watched machine);
  void drop(const std::string& name) { machines_.erase(name); }
  std::size_t size() const { return machines_.size(); }

  /// One round; `alarm`: space falls fast. Those that are over.
  std::vector<Found> round(bool alarm);
  /// One of them once more, now that it stands still. False: it is not over any more, or not watched.
  bool over(const std::string& name);

 private:
  struct Seen {
    Watched machine;
    std::uint64_t ran = 0;    ///< what `processor` said at the last look
    std::uint64_t since = 0;  ///< how much it has run since
    Clock::time_point due{};  ///< before, only an alarm makes us look
    Clock::duration cost{};   ///< of the last look
    bool looked = false;
  };

  static Usage count_here(const Watched& machine) { return usage_of(machine.places, machine.most); }
  std::vector<Seen*> candidates(bool alarm);
  bool look(Seen& seen, std::vector<Found>& found);

  Now now_;
  Count count_;
  std::unordered_map<std::string, Seen> machines_;
  Clock::duration owed_{};  ///< what looks took beyond their allowance
  Clock::time_point last_{};
};

}  // namespace tiltyard::disk
