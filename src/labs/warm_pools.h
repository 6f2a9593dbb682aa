#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "labs/start_queue.h"

namespace tiltyard::identity {
struct Principal;
}

namespace tiltyard::labs {

/// The waiting instances of one template (row 1.14). Lives on the home loop.
struct Shelf {
  std::deque<LiveRef> ready;  ///< oldest first
  std::size_t filling = 0;
  std::deque<std::chrono::steady_clock::time_point> claims;  ///< within the template's idle time, at most `max` of them
  std::chrono::steady_clock::time_point not_before{};        ///< after a fill that failed
  Growing<std::chrono::milliseconds> delay{std::chrono::milliseconds{500}, std::chrono::seconds{60}};
  std::string trouble;  ///< why the last fill failed; empty: it did not
  std::size_t target = 0;
  PoolChoice choice;
  bool told_ready = false;  ///< whether pages have been told that a start is a claim

  /// How many should be ready: `min`, or as many as were claimed within the idle time, but never more than `max`.
  std::size_t wanted(const templates::PoolPolicy& policy, std::chrono::steady_clock::time_point now);
  void note_claim(const templates::PoolPolicy& policy, std::chrono::steady_clock::time_point now);
};

/// A shelf as staff see it.
struct PoolState {
  TemplateId tmpl;
  PoolKind kind = PoolKind::kNone;
  std::size_t ready = 0, filling = 0, target = 0;
  int min = 0, max = 0;
  std::string reason;
};

/// Warm pools: instances that run before anybody asks (row 1.14), and how they are handed over (claim.cpp).
class WarmPools : OnGround {
 public:
  WarmPools(Ground& ground, Instances& instances, Offers& offers, Planner& planner, Saga& saga, StartQueue& queue);

  void declare_jobs();
  std::vector<PoolState> states() const;

  /// The oldest that waits for an owner of this very template.
  std::optional<Hold> take(const templates::Template& tmpl);
  /// Hands what was just taken from its shelf to `who`. What fails before the commit puts it back; after the commit the
  /// instance is the owner's, and a crash is made good by the same `claim` of each step at the next start.
  asio::awaitable<Result<Instance>> claim(Hold hold, identity::Principal who, std::string context, bus::Actor actor);

  /// What waits of this template was made with limits of before.
  void discard_all(const TemplateId& tmpl);
  /// Somebody ends it by hand.
  void take_off(const LiveRef& live) { std::erase(shelves_[live->instance.tmpl].ready, live); }
  /// After a restart, or when the engine is back: what waited waits on if it is well.
  asio::awaitable<void> shelve_again(LiveRef live);

 private:
  asio::awaitable<Result<jobs::Next>> look();
  void tend();
  void thin_out(Shelf& shelf, const templates::Template* tmpl);
  bool room_to_fill() const;
  std::shared_ptr<const templates::Template> emptiest(
      const std::map<TemplateId, std::shared_ptr<const templates::Template>>& pooled,
      std::chrono::steady_clock::time_point now) const;
  void start_fill(std::shared_ptr<const templates::Template> tmpl);
  asio::awaitable<void> fill(LiveRef live);
  void note_trouble(Shelf& shelf, const Instance& instance, const Error& error);
  asio::awaitable<void> note_event(bus::KindRef kind, Instance instance, Error error);
  asio::awaitable<Result<>> freeze(LiveRef live);
  void discard(const LiveRef& live);

  // claim.cpp
  Instance claimed(const Live& live, const identity::Principal& who, std::string context) const;
  asio::awaitable<Result<>> commit_claim(LiveRef live, Instance next, bus::Event event);
  asio::awaitable<Result<>> hand_over(LiveRef live);
  asio::awaitable<void> settle(LiveRef live);
  void put_back(Hold hold);

  Instances& instances_;
  Offers& offers_;
  Planner& planner_;
  Saga& saga_;
  StartQueue& queue_;
  std::map<TemplateId, Shelf> shelves_;
  std::chrono::steady_clock::time_point last_claim_{};
};

}  // namespace tiltyard::labs
