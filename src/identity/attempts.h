#pragma once

#include <list>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"

namespace tiltyard::identity {

/// Counts failed sign-ins by key (name and address) in memory: `most` in a window that begins with the first. At most
/// `capacity` keys are remembered; the oldest window makes room. Lives on the home loop.
class Attempts {
 public:
  Attempts(int most, Duration window, std::size_t capacity = 10'000)
      : most_(most), window_(window), capacity_(capacity) {}

  /// Counts one attempt before it is checked, so that many at once do not slip through. `limit-reached` with
  /// `retry_after_s` when there were too many.
  Result<> begin(const std::string& key, TimePoint now);
  /// The attempt was right: the key's failures are forgotten.
  void succeeded(const std::string& key);
  /// How many are counted in the key's window.
  int count(const std::string& key, TimePoint now) const;
  /// The attempt was never checked (the server was too busy): it does not count.
  void withdraw(const std::string& key);

  std::size_t size() const { return windows_.size(); }

 private:
  struct Window {
    std::string key;
    TimePoint since;
    int count = 0;
  };
  using Windows = std::list<Window>;

  void drop(Windows::iterator window);

  int most_;
  Duration window_;
  std::size_t capacity_;
  Windows windows_;  ///< oldest first
  std::unordered_map<std::string, Windows::iterator> by_key_;
};

/// How long the next guess at a name waits after so many wrong ones from everywhere: nothing at first, four seconds at
/// most. A wall would keep out whom the name belongs to; a wait only makes guessing slow.
std::chrono::milliseconds delay_after(int failures);

}  // namespace tiltyard::identity
