#pragma once

#include <chrono>

#include "names/names.h"

namespace tiltyard::names {

/// Says that something is under way, until it goes out of scope: a coroutine may also end by being cut.
class Turn {
 public:
  explicit Turn(bool& taken) : taken_(taken) { taken_ = true; }
  ~Turn() { taken_ = false; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  bool& taken_;
};

/// A name while this process looks after it.
struct Service::Entry {
  explicit Entry(Name row) : name(std::move(row)) {}

  Name name;
  bool busy = false;     ///< somebody goes on with it
  bool again = false;    ///< and is to look once more
  bool looking = false;  ///< the DNS is asked, and nobody waits for it
  Led led = Led::kNowhere;
  bool wanted = false;  ///< who fetches certificates knows it
  Growing<std::chrono::milliseconds> pause{std::chrono::seconds{1}, std::chrono::minutes{5}};
  std::chrono::steady_clock::time_point retry_at{}, next_look{};

  /// It points somewhere else from now on.
  void turn_away() {
    if (led == Led::kThere) led = Led::kElsewhere;
  }
  bool settled() const { return name.state == State::kAsked || name.state == State::kHeld; }
  bus::Event event(bus::KindRef kind, bus::Actor actor = {}) const;
};

}  // namespace tiltyard::names
