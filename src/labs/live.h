#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/compact.h"
#include "labs/doing.h"
#include "labs/presence.h"
#include "labs/step.h"

namespace tiltyard::labs {

/// What is needed of an instance only while its machines are made or taken away.
struct Making {
  std::map<std::string, Additions> additions;  ///< by service
  std::map<std::string, Secret> words;         ///< what ${NAME} stands for in this instance, as steps offer it
  std::string step;                            ///< what the saga does now, for people
  std::size_t steps_done = 0, steps_total = 0;
  std::chrono::steady_clock::time_point until =
      std::chrono::steady_clock::time_point::max();  ///< it has to run by then
};

/// A Signal that takes no room while nobody waits for it.
class Ripple {
 public:
  void set() {
    set_ = true;
    pulse();
  }
  void pulse() {
    if (signal_) signal_->pulse();
  }
  /// As Signal::wait_for; whoever waits keeps this alive.
  asio::awaitable<bool> wait_for(std::chrono::steady_clock::duration limit);

 private:
  std::shared_ptr<Signal> signal_;
  bool set_ = false;
};

/// An instance while this process looks after it. Lives on the home loop.
struct Live final : Spawn {
  Instance instance;
  std::shared_ptr<const templates::Template> tmpl;  ///< null after a restart when the template has changed or gone
  Rare<Making> making;
  Rare<std::map<const void*, std::shared_ptr<const void>>> memory;  ///< of steps, see `remember`
  Ripple changed;                                                   ///< pulsed at each change of state or progress
  Work work;
  Kept kept = Kept::kRunning;
  Rare<std::string> claimant;                          ///< who is being given it from a pool right now
  std::shared_ptr<Use> use;                            ///< null: nobody has, yet
  std::shared_ptr<Waking> waking;                      ///< while it is being woken
  int repairs = 0;                                     ///< times that dead machines were started again
  std::chrono::steady_clock::time_point step_clock{};  ///< when the spawn began
  std::chrono::steady_clock::time_point last_repair{}, sampled{};

  const Instance& facts() const override { return instance; }
  Plan& plan() override { return instance.plan; }
  const std::shared_ptr<const templates::Template>& origin() const override { return tmpl; }
  bool starts_at_claim() const override { return kept == Kept::kCreated; }
  bool given_up() const override { return ending() || (making && std::chrono::steady_clock::now() >= making->until); }
  asio::awaitable<void> change(std::chrono::steady_clock::duration limit) override { co_await changed.wait_for(limit); }
  Additions& additions(const std::string& service) override { return making.there().additions[service]; }
  std::map<std::string, Secret>& words() override { return making.there().words; }
  void remember(const void* who, std::shared_ptr<const void> what) override { memory.there()[who] = std::move(what); }
  std::shared_ptr<const void> remembered(const void* who) const override {
    if (!memory) return nullptr;
    const auto found = memory->find(who);
    return found == memory->end() ? nullptr : found->second;
  }
  void forget(const void* who) override {
    if (memory && memory->erase(who) > 0 && memory->empty()) memory.reset();
  }

  bool free() const { return work.free(); }
  bool ending() const { return work.ending(); }

  /// For whoever uses it beside the gateway.
  Use& used() {
    if (!use) use = std::make_shared<Use>();
    return *use;
  }
};
using LiveRef = std::shared_ptr<Live>;

}  // namespace tiltyard::labs
