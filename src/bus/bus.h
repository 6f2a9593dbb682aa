#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "bus/event_kind.h"

namespace tiltyard::bus {

/// Who does something, as the record of it says. Empty: the server itself.
struct Actor {
  std::string name;     ///< as people knew them at that time
  std::string id;       ///< the user's; empty where there is none (yet)
  std::string address;  ///< of the client that asked

  Actor() = default;
  Actor(std::string n, std::string i = {}, std::string a = {})
      : name(std::move(n)), id(std::move(i)), address(std::move(a)) {}
  Actor(const char* n) : name(n) {}
};

/// Something that happened, already committed.
struct Event {
  KindRef kind;
  std::string subject;  ///< the id of what it happened to
  std::string owner;    ///< whose it is; empty: nobody's
  Actor actor;
  TimePoint at{};
  std::string detail;  ///< JSON object, without secrets
};

/// Tells subscribers in this process about events. Lives on the home loop: no locks, subscribers are called in order of
/// subscription and must not block; a subscriber may unsubscribe itself while it is called.
class Bus {
 public:
  using Subscriber = std::function<void(const Event&)>;

  /// Unsubscribes when it goes out of scope; the bus must outlive it.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Bus* bus, std::uint64_t id) : bus_(bus), id_(id) {}
    Subscription(Subscription&& other) noexcept : bus_(std::exchange(other.bus_, nullptr)), id_(other.id_) {}
    Subscription& operator=(Subscription&& other) noexcept {
      reset();
      bus_ = std::exchange(other.bus_, nullptr);
      id_ = other.id_;
      return *this;
    }
    ~Subscription() { reset(); }
    void reset() {
      if (bus_) bus_->subscribers_.erase(id_);
      bus_ = nullptr;
    }

   private:
    Bus* bus_ = nullptr;
    std::uint64_t id_ = 0;
  };

  [[nodiscard]] Subscription subscribe(Subscriber subscriber) {
    subscribers_.emplace(++last_, std::move(subscriber));
    return Subscription(this, last_);
  }

  void publish(const Event& event) {
    // By key, so that a subscriber may come or go while the others are called.
    for (auto it = subscribers_.begin(); it != subscribers_.end();) {
      const auto id = it->first;
      it->second(event);
      it = subscribers_.upper_bound(id);
    }
  }

 private:
  std::map<std::uint64_t, Subscriber> subscribers_;
  std::uint64_t last_ = 0;
};

}  // namespace tiltyard::bus
