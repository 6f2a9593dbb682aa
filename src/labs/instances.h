#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bus/bus.h"
#include "labs/events.h"
#include "labs/ground.h"
#include "labs/hold.h"

namespace tiltyard::labs {

/// Who sees to an instance when something has happened to it, or when it is to end.
class Care {
 public:
  /// One of its machines may have ended: it is mended, or given up.
  virtual asio::awaitable<void> look_after(LiveRef live) = 0;
  /// Somebody has asked for its end while others were busy with it.
  virtual asio::awaitable<void> end(LiveRef live) = 0;

 protected:
  ~Care() = default;
};

/// The table of all instances that are not over, and the only way to their rows: what is saved is told.
class Instances : OnGround {
 public:
  explicit Instances(Ground& ground) : OnGround(ground) {}
  /// Before any work begins.
  void cared_for_by(Care& care) { care_ = &care; }

  LiveRef find(const InstanceId& id) const;
  /// Up, and in nobody's hands, for which it waits some seconds: whoever takes it does so before the next await.
  /// `instance-unknown`, `instance-not-running`, `instance-busy`.
  asio::awaitable<Result<LiveRef>> up_and_free(InstanceId id);
  bool knows(const LiveRef& live) const { return find(live->instance.id) == live; }
  /// A copy, because the table changes while one goes over it.
  std::vector<LiveRef> all() const { return {live_.begin(), live_.end()}; }
  auto begin() const { return live_.begin(); }
  auto end() const { return live_.end(); }
  std::size_t size() const { return live_.size(); }
  std::size_t of_owner(const std::string& owner) const;

  /// `counts`: it takes one of its owner's places, which `forget` gives back.
  void add(LiveRef live, bool counts);
  void forget(const LiveRef& live);
  void one_more(const std::string& owner) { ++by_owner_[owner]; }
  void one_less(const std::string& owner);

  /// Starts `work` on it. Whatever ran, a stop that was asked for meanwhile is carried out before it is free for
  /// others.
  void start(Hold hold, std::string what, asio::awaitable<void> work);
  asio::awaitable<void> look_after(LiveRef live) { return care_->look_after(std::move(live)); }

  asio::awaitable<Result<>> save(LiveRef live, bus::KindRef kind, bus::Actor actor);
  /// For changes that must not be lost: a store that cannot write right now is asked again until it can.
  asio::awaitable<void> save_surely(LiveRef live, bus::KindRef kind);
  /// Tells those who look on in this process; what is on disk has been written before.
  void announce(Live& live, bus::KindRef kind, const bus::Actor& actor);
  bus::Event event_of(const Instance& instance, bus::KindRef kind, bus::Actor actor) const;

 private:
  /// Finds what is alive by its own id, which is not written down twice.
  struct ById {
    using is_transparent = void;
    static const InstanceId& id_of(const LiveRef& live) { return live->instance.id; }
    static const InstanceId& id_of(const InstanceId& id) { return id; }
    std::size_t operator()(const auto& one) const noexcept { return std::hash<InstanceId>{}(id_of(one)); }
    bool operator()(const auto& one, const auto& other) const noexcept { return id_of(one) == id_of(other); }
  };

  asio::awaitable<void> see_through(Hold hold, asio::awaitable<void> work);

  Care* care_ = nullptr;
  std::unordered_set<LiveRef, ById, ById> live_;
  std::unordered_map<std::string, std::size_t> by_owner_;
};

}  // namespace tiltyard::labs
