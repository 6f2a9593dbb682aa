// The books against a naive model, over random histories with restarts in between.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "farm/books_test.h"

namespace tiltyard::farm {
namespace {

using namespace std::chrono_literals;
using testing::describe;
using testing::Farm;

/// What must hold of a flag, kept in the plainest way.
struct ModelFlag {
  TimePoint received{};
  std::set<std::string> held_by;  ///< leases that have not ended
  std::size_t attempts = 0;
  std::optional<Status> final;
};

struct ModelLease {
  Lease lease;
  TimePoint deadline{};
  std::set<std::string> open;
};

class World {
 public:
  void post(const std::vector<std::string>& flags) {
    farm.post(flags, "s" + std::to_string(flags.size() % 3), "t" + std::to_string(flags.front().size() % 2));
    for (const auto& flag : flags) model.try_emplace(flag, ModelFlag{farm.now, {}, 0, {}});
  }

  void take(std::size_t most) {
    end_leases();
    const auto lease = farm.take(most);
    if (!lease) return;
    ModelLease mine{*lease, farm.now + farm.books->rules().lease_time, {}};
    for (const auto& leased : lease->flags) {
      auto& flag = model.at(leased.flag);
      RC_ASSERT(flag.held_by.empty());
      RC_ASSERT(!flag.final);
      RC_ASSERT(farm.now < flag.received + farm.books->rules().lifetime);
      RC_ASSERT(leased.attempt == ++flag.attempts);
      flag.held_by.insert(lease->id);
      mine.open.insert(leased.flag);
    }
    RC_ASSERT(mine.open.size() == lease->flags.size());
    leases.push_back(std::move(mine));
  }

  void say(std::size_t which, std::vector<std::pair<std::string, Verdict>> verdicts, bool done) {
    if (leases.empty()) return;
    end_leases();
    auto& lease = leases[which % leases.size()];
    const auto receipt = farm.say(lease.lease, verdicts, done);
    RC_ASSERT(receipt.has_value());
    RC_ASSERT(receipt->recorded + receipt->late + receipt->unknown == verdicts.size());
    for (const auto& [name, verdict] : verdicts) {
      if (!lease.open.contains(name)) continue;
      auto& flag = model.at(name);
      lease.open.erase(name);
      flag.held_by.erase(lease.lease.id);
      if (verdict == Verdict::kRetry) continue;
      const bool accepted = verdict == Verdict::kAccepted || (verdict == Verdict::kDuplicate && flag.attempts > 1);
      flag.final = accepted ? Status::kAccepted : Status::kRejected;
    }
    if (done) let_go(lease);
  }

  void check() {
    end_leases();
    std::uint64_t held = 0;
    for (const auto& [name, flag] : model) {
      const auto status = farm.status(name);
      if (flag.final) RC_ASSERT(status == *flag.final);
      RC_ASSERT((status == Status::kLeased) == !flag.held_by.empty());
      if (status == Status::kSkipped) RC_ASSERT(farm.now >= flag.received + farm.books->rules().lifetime);
      held += flag.held_by.size();
    }
    const auto& totals = farm.books->totals();
    RC_ASSERT(totals.total() == model.size());
    RC_ASSERT(totals.at(Status::kLeased) == held);
  }

  void end_leases() {
    farm.pass(0s);
    for (auto& lease : leases) {
      if (lease.deadline <= farm.now) let_go(lease);
    }
  }

  Farm farm;
  std::map<std::string, ModelFlag> model;
  std::vector<ModelLease> leases;

 private:
  void let_go(ModelLease& lease) {
    for (const auto& name : lease.open) model.at(name).held_by.erase(lease.lease.id);
    lease.open.clear();
  }
};

rc::Gen<std::string> flag_names() {
  return rc::gen::map(rc::gen::inRange(0, 25), [](int number) { return "F" + std::to_string(number * number); });
}

void step(World& world) {
  switch (*rc::gen::inRange(0, 7)) {
    case 0:
    case 1:
      return world.post(*rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(flag_names())));
    case 2:
      return world.take(*rc::gen::inRange<std::size_t>(1, 8));
    case 3: {
      const auto names = *rc::gen::container<std::set<std::string>>(flag_names());
      std::vector<std::pair<std::string, Verdict>> verdicts;
      for (const auto& name : names) verdicts.emplace_back(name, static_cast<Verdict>(*rc::gen::inRange(0, 8)));
      return world.say(*rc::gen::inRange<std::size_t>(0, 100), std::move(verdicts), *rc::gen::arbitrary<bool>());
    }
    case 4:
      return world.farm.pass(std::chrono::milliseconds{*rc::gen::inRange(0, 60'000)});
    case 5:
      return world.farm.commit();
    default:
      return world.farm.restart();
  }
}

RC_GTEST_PROP(R6_3, RandomHistoriesKeepTheInvariants, ()) {
  World world;
  world.farm.books->set_rules({90s, 20s, 5s});
  const int steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) {
    step(world);
    world.check();
  }
  // The log tells the same story as the memory, once all that is due has happened in both.
  for (int i = 0; i < 2; ++i) world.farm.pass(60s);  // a lease's end may delay its flags
  const auto again = world.farm.read_again();
  RC_ASSERT(again != nullptr);
  again->advance(world.farm.now, world.farm.log());
  RC_ASSERT(describe(*again) == describe(*world.farm.books));
}

/// As long as everybody has flags, nobody waits for more than three rounds of all sploits, nor of all teams.
RC_GTEST_PROP(R6_9, NobodyWaitsForMoreThanThreeRounds, ()) {
  const int sploits = *rc::gen::inRange(1, 12), teams = *rc::gen::inRange(1, 12), flood = *rc::gen::inRange(0, 400);
  Farm farm;
  int number = 0;
  for (int i = 0; i < flood; ++i) farm.post({"x" + std::to_string(++number)}, "s0", "t" + std::to_string(i % teams));
  for (int sploit = 0; sploit < sploits; ++sploit) {
    for (int team = 0; team < teams; ++team) {
      for (int i = 0; i < 40; ++i)
        farm.post({"x" + std::to_string(++number)}, "s" + std::to_string(sploit), "t" + std::to_string(team));
    }
  }
  const auto lease = farm.take(static_cast<std::size_t>(6 * std::max(sploits, teams)));
  std::map<std::string, std::size_t> last_sploit, last_team;
  for (int sploit = 0; sploit < sploits; ++sploit) last_sploit["s" + std::to_string(sploit)] = 0;
  for (int team = 0; team < teams; ++team) last_team["t" + std::to_string(team)] = 0;
  for (std::size_t place = 0; place < lease->flags.size(); ++place) {
    last_sploit[lease->flags[place].sploit] = place + 1;
    last_team[lease->flags[place].team] = place + 1;
    for (const auto& [name, last] : last_sploit) RC_ASSERT(place + 1 - last <= static_cast<std::size_t>(3 * sploits));
    for (const auto& [name, last] : last_team) RC_ASSERT(place + 1 - last <= static_cast<std::size_t>(3 * teams));
  }
}

}  // namespace
}  // namespace tiltyard::farm
