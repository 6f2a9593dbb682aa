#include "jobs/timers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace tiltyard::jobs {
namespace {

constexpr std::int64_t kStart = 1'767'225'600'000;

/// What Timers must be indistinguishable from: a list that is searched.
class Naive {
 public:
  void add(std::int64_t due, std::int64_t what) { all_.emplace(what, due); }
  bool remove(std::int64_t what) { return all_.erase(what) > 0; }
  std::vector<std::int64_t> advance(std::int64_t now) {
    std::vector<std::int64_t> fired;
    for (auto at = all_.begin(); at != all_.end();) {
      if (at->second > now) {
        ++at;
        continue;
      }
      fired.push_back(at->first);
      at = all_.erase(at);
    }
    return fired;
  }
  std::optional<std::int64_t> next() const {
    std::optional<std::int64_t> least;
    for (const auto& [what, due] : all_) least = std::min(least.value_or(due), due);
    return least;
  }
  std::size_t size() const { return all_.size(); }

 private:
  std::map<std::int64_t, std::int64_t> all_;
};

class R8_2_Timers : public testing::TestWithParam<unsigned> {};

TEST_P(R8_2_Timers, FireAsANaiveListDoes) {
  std::mt19937_64 random(GetParam());
  const auto pick = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random); };
  std::int64_t now = kStart + pick(1'000'000);
  Timers timers(now);
  Naive naive;
  std::map<std::int64_t, Timers::Handle> handles;
  // From overdue to far away: each level of the wheel and its edges.
  const std::int64_t reaches[] = {
      0, 3, 255, 256, 70'000, 17'000'000, 5'000'000'000, 1'500'000'000'000, 250'000'000'000'000};
  std::int64_t what = 0;
  for (int step = 0; step < 20'000; ++step) {
    const auto action = pick(9);
    if (action < 5) {
      const auto due = now + pick(reaches[pick(8)]) - pick(2);
      ++what;
      handles[what] = timers.add(due, what);
      naive.add(due, what);
    } else if (action < 7 && !handles.empty()) {
      auto chosen = handles.lower_bound(pick(what));
      if (chosen == handles.end()) chosen = handles.begin();
      EXPECT_EQ(timers.remove(chosen->second), naive.remove(chosen->first));
      EXPECT_FALSE(timers.remove(chosen->second)) << "a handle names one timer once";
      handles.erase(chosen);
    } else {
      now += pick(reaches[pick(step % 50 == 0 ? 7 : 4)]);
      std::vector<std::int64_t> fired;
      timers.advance(now, fired);

      auto wanted = naive.advance(now);
      std::ranges::sort(fired);
      ASSERT_EQ(fired, wanted);
      for (const auto one : fired) handles.erase(one);
    }
    ASSERT_EQ(timers.size(), naive.size());
    const auto next = timers.next(), earliest = naive.next();
    ASSERT_EQ(next.has_value(), earliest.has_value());
    if (next) ASSERT_LE(*next, std::max(*earliest, now)) << "asked for no later than the earliest";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, R8_2_Timers, testing::Range(1u, 9u));

TEST(R8_2, TimersFireInTheOrderOfTheirMilliseconds) {
  Timers timers(kStart);
  for (std::int64_t i = 1'000; i > 0; --i) timers.add(kStart + i * 7, i);
  std::vector<std::int64_t> fired;
  timers.advance(kStart + 7'000, fired);
  ASSERT_EQ(fired.size(), 1'000u);
  EXPECT_TRUE(std::ranges::is_sorted(fired));
}

TEST(R8_2, ThePastFiresAtOnceAndTheYear9999Waits) {
  Timers timers(kStart);
  timers.add(kStart - 86'400'000, 1);
  timers.add(-5, 2);
  timers.add(253'402'300'799'999, 3);
  EXPECT_EQ(timers.next(), kStart);
  std::vector<std::int64_t> fired;
  timers.advance(kStart, fired);
  std::ranges::sort(fired);
  EXPECT_EQ(fired, (std::vector<std::int64_t>{1, 2}));
  fired.clear();
  timers.advance(253'402'300'799'998, fired);
  EXPECT_TRUE(fired.empty());
  timers.advance(253'402'300'799'999, fired);
  EXPECT_EQ(fired, (std::vector<std::int64_t>{3}));
}

TEST(R8_2, AClockThatGoesBackFiresNothingTwice) {
  Timers timers(kStart);
  timers.add(kStart + 10, 1);
  std::vector<std::int64_t> fired;
  timers.advance(kStart + 20, fired);
  timers.advance(kStart - 1'000, fired);
  timers.advance(kStart + 20, fired);
  EXPECT_EQ(fired.size(), 1u);
}

}  // namespace
}  // namespace tiltyard::jobs
