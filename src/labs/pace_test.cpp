// Pace beside a simulated server whose spawns share its speed, with noise, two kinds of templates and changes of speed.
#include "labs/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <random>

namespace tiltyard::labs {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

/// n spawns side by side each go at 1 / slowdown(n); most pass per second at `best()`.
struct Speed {
  double shared = 0.1, crowd = 0.05;
  double whole = 1;  ///< how much slower the server is in all

  double slowdown(double n) const { return whole * (1 + shared * (n - 1) + crowd * n * (n - 1)); }
  std::size_t best(std::size_t most) const {
    std::size_t best = 1;
    for (std::size_t n = 2; n <= most; ++n) {
      if (static_cast<double>(n) / slowdown(static_cast<double>(n)) >
          static_cast<double>(best) / slowdown(static_cast<double>(best)))
        best = n;
    }
    return best;
  }
};

class Simulation {
 public:
  explicit Simulation(std::uint32_t seed, std::size_t most = 10, double noise = 0.25)
      : pace(most), random_(seed), noise_(noise) {}

  /// Somebody presses start now; the estimate is kept, to be compared when it runs.
  void press(const std::string& tmpl, double seconds) {
    queue_.push_back({TemplateId(tmpl), seconds, now_, 0, 0, {}});
    if (estimating && (running_.size() >= pace.limit() || queue_.size() > 1))
      queue_.back().estimate = forecast().back();
    start();
  }

  std::vector<double> forecast() const {
    std::vector<TemplateId> waiting;
    for (const auto& job : queue_) waiting.push_back(job.tmpl);
    std::vector<double> seconds;
    for (const auto eta : pace.forecast(waiting, running_.size(), time()))
      seconds.push_back(duration<double>(eta).count());
    return seconds;
  }

  /// Until `count` more have ended, or nothing is left to do.
  void work(std::size_t count) {
    for (std::size_t ended = 0; ended < count && !running_.empty(); ++ended) {
      auto next = std::min_element(running_.begin(), running_.end(), [](auto& a, auto& b) { return a.left < b.left; });
      const double slow = speed.slowdown(static_cast<double>(running_.size()));
      const double step = next->left * slow;
      now_ += step;
      for (auto& job : running_) job.left -= step / slow;
      const bool success = uniform_(random_) >= failing;
      pace.end(next->id, success, time());
      if (next->estimate > 0 && success)
        errors.push_back(std::abs(next->estimate - (now_ - next->pressed)) / (now_ - next->pressed));
      running_.erase(next);
      start();
      bases.push_back(pace.best());
    }
  }

  void wait(double seconds) { now_ += seconds; }
  Pace::Time time() const {
    return Pace::Time{} + std::chrono::duration_cast<Pace::Time::duration>(duration<double>(now_));
  }
  std::size_t waiting() const { return queue_.size(); }

  static double median(std::vector<double> values) {
    if (values.empty()) return 1e9;
    std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
    return values[values.size() / 2];
  }

  /// The part of the last `count` spawns during which the best number was known to within one.
  double within_one(std::size_t best, std::size_t count) const {
    const auto near = [best](std::size_t base) { return base + 1 >= best && base <= best + 1; };
    return static_cast<double>(std::count_if(bases.end() - static_cast<long>(count), bases.end(), near)) /
           static_cast<double>(count);
  }

  Pace pace;
  Speed speed;
  double failing = 0;
  bool estimating = false;  ///< whether each press asks for an estimate
  std::vector<double> errors;
  std::vector<std::size_t> bases;

 private:
  struct Job {
    TemplateId tmpl;
    double seconds = 0, pressed = 0, estimate = 0, left = 0;
    InstanceId id;
  };

  void start() {
    while (!queue_.empty() && running_.size() < pace.limit()) {
      Job job = queue_.front();
      queue_.pop_front();
      const double sigma = std::sqrt(std::log(1 + noise_ * noise_));
      job.left = job.seconds * std::lognormal_distribution<double>(-sigma * sigma / 2, sigma)(random_);
      job.id = InstanceId(std::to_string(++last_));
      pace.begin(job.id, job.tmpl, time());
      running_.push_back(job);
    }
  }

  std::deque<Job> queue_;
  std::vector<Job> running_;
  double now_ = 1000;
  int last_ = 0;
  std::mt19937 random_;
  std::uniform_real_distribution<double> uniform_{0, 1};
  double noise_;
};

constexpr std::uint32_t kSeeds = 8;

void storm(Simulation& simulation, std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) simulation.press(n % 3 == 0 ? "stack" : "web", n % 3 == 0 ? 1.0 : 0.25);
}

TEST(R1_7, TheLimitSettlesAtTheBestNumberAtOnce) {
  // Servers whose best is at 1, 3, 5 and at the ceiling.
  const Speed servers[] = {{1.0, 0.2}, {0.1, 0.1}, {0.05, 0.035}, {0.02, 0.001}};
  for (const auto& speed : servers) {
    const std::size_t best = speed.best(10);
    double near = 0;
    for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
      Simulation simulation(seed);
      simulation.speed = speed;
      storm(simulation, 1500);
      simulation.work(1500);
      near += simulation.within_one(best, 500) / kSeeds;
      EXPECT_GE(simulation.within_one(best, 500), 0.6) << "best " << best << ", seed " << seed;
    }
    EXPECT_GE(near, 0.85) << "best " << best;
  }
}

TEST(R1_7, TheLimitFollowsAServerThatChanges) {
  const Speed wide{0.05, 0.035}, narrow{0.5, 0.2, 1.5};
  double near = 0;
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Simulation simulation(seed);
    simulation.speed = wide;
    storm(simulation, 3000);
    simulation.work(1000);
    simulation.speed = narrow;
    simulation.work(1000);
    EXPECT_GE(simulation.within_one(narrow.best(10), 300), 0.6) << seed;
    near += simulation.within_one(narrow.best(10), 300) / kSeeds / 2;
    simulation.speed = wide;
    simulation.work(1000);
    EXPECT_GE(simulation.within_one(wide.best(10), 300), 0.6) << seed;
    near += simulation.within_one(wide.best(10), 300) / kSeeds / 2;
  }
  EXPECT_GE(near, 0.85);
}

TEST(R1_7, EstimatesAreNearTheTruth) {
  std::vector<double> all;
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Simulation simulation(seed);
    simulation.estimating = true;
    simulation.speed = {0.6, 0.02};
    storm(simulation, 200);
    simulation.work(200);
    simulation.errors.clear();
    simulation.wait(60);
    storm(simulation, 200);
    simulation.work(200);
    EXPECT_LT(Simulation::median(simulation.errors), 0.3) << seed;
    all.insert(all.end(), simulation.errors.begin(), simulation.errors.end());
  }
  EXPECT_LT(Simulation::median(all), 0.2);
}

TEST(R1_7, EstimatesFollowAServerThatChanges) {
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    Simulation simulation(seed);
    simulation.estimating = true;
    simulation.speed = {0.6, 0.02};
    storm(simulation, 200);
    simulation.work(200);
    simulation.speed.whole = 2.5;
    storm(simulation, 40);  // what shows that it is slower now
    simulation.work(40);
    simulation.errors.clear();
    storm(simulation, 150);
    simulation.work(150);
    EXPECT_LT(Simulation::median(simulation.errors), 0.3) << seed;
  }
}

TEST(R1_7, TheFirstEstimatesAfterARestartAreNearTheTruth) {
  Simulation before(1);
  before.speed = {0.6, 0.02};
  storm(before, 200);
  before.work(200);
  Simulation after(2);
  after.estimating = true;
  after.speed = before.speed;
  after.pace.restore(before.pace.known());
  storm(after, 200);
  after.work(200);
  EXPECT_LT(Simulation::median(after.errors), 0.3);
  Simulation forgetful(2);
  forgetful.estimating = true;
  forgetful.speed = before.speed;
  storm(forgetful, 200);
  forgetful.work(200);
  EXPECT_GT(Simulation::median(forgetful.errors), 0.6) << "what was kept is what made the difference";
}

TEST(R1_7, StoredNonsenseIsLeftOut) {
  Pace pace(6);
  pace.restore({{"limit", 1e300},
                {"slowdown.0", 2},
                {"slowdown.7", 2},
                {"slowdown.x", 2},
                {"slowdown.2", -1},
                {"weight.a", NAN},
                {"huh", 3}});
  EXPECT_GE(pace.limit(), 1u);
  EXPECT_LE(pace.limit(), 6u);
  EXPECT_EQ(pace.known().size(), 1u);
  pace.restore({{"limit", 900}});
  EXPECT_EQ(pace.limit(), 6u);
}

TEST(R1_7, OneAtATimeIsPossibleAndStays) {
  Simulation simulation(5, 1);
  simulation.estimating = true;
  storm(simulation, 300);
  for (int n = 0; n < 300; ++n) {
    simulation.work(1);
    ASSERT_EQ(simulation.pace.limit(), 1u);
  }
  EXPECT_EQ(simulation.errors.size(), 299u);
}

TEST(R1_7, EstimatesNeverFallFurtherBehindAndOnlyShrinkWithTime) {
  Simulation simulation(3);
  storm(simulation, 300);
  simulation.work(100);
  for (int round = 0; round < 40; ++round) {
    const auto now = simulation.forecast();
    ASSERT_EQ(now.size(), simulation.waiting());
    for (std::size_t n = 0; n < now.size(); ++n) {
      EXPECT_GT(now[n], 0);
      if (n > 0) EXPECT_GE(now[n], now[n - 1]);
    }
    // Nothing ends: then time alone makes an estimate shorter, until all under way is late, and never longer.
    simulation.wait(0.01);
    const auto later = simulation.forecast();
    for (std::size_t n = 0; n < now.size(); ++n) EXPECT_LE(later[n], now[n]);
    simulation.wait(-0.01);
    simulation.work(3);
  }
  const auto now = simulation.forecast();
  simulation.wait(0.2);
  EXPECT_LT(simulation.forecast().back(), now.back());
  simulation.wait(1e6);
  EXPECT_GT(simulation.forecast().front(), 0);
}

TEST(R1_7, FailuresAndIdleTimesTeachNothing) {
  Simulation simulation(4);
  simulation.speed = {0.05, 0.035};
  storm(simulation, 400);
  simulation.work(400);
  const auto known = simulation.pace.known();
  simulation.failing = 2;  // every one
  storm(simulation, 200);
  simulation.work(200);
  EXPECT_EQ(simulation.pace.known(), known);
  simulation.failing = 0;
  // One at a time, with pauses: that says nothing about what is best at once.
  for (int n = 0; n < 200; ++n) {
    simulation.wait(30);
    simulation.press("web", 0.25);
    simulation.work(1);
  }
  EXPECT_EQ(simulation.pace.known().at("limit"), known.at("limit"));
}

TEST(R1_7, AThirdOfFailuresDoesNotMisleadTheLimit) {
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    Simulation simulation(seed);
    simulation.speed = {0.1, 0.1};
    simulation.failing = 0.33;
    storm(simulation, 2000);
    simulation.work(2000);
    EXPECT_GE(simulation.within_one(simulation.speed.best(10), 500), 0.8) << seed;
  }
}

TEST(R1_7, AHeavyTemplateCountsAsSuchInTheEstimate) {
  Simulation simulation(6, 4, 0.05);
  storm(simulation, 300);
  simulation.work(300);
  simulation.wait(5);
  const auto of = [&](const char* tmpl) {
    return duration<double>(simulation.pace.forecast({TemplateId(tmpl)}, 0, simulation.time()).front()).count();
  };
  EXPECT_NEAR(of("stack") / of("web"), 4, 0.6);
  EXPECT_NEAR(of("web"), 0.25, 0.08);
  // One that nobody has started yet is taken at its word.
  simulation.pace.expect(TemplateId("new"), milliseconds{2000});
  EXPECT_GT(of("new"), of("stack"));
  simulation.pace.expect(TemplateId("web"), milliseconds{60'000});
  EXPECT_LT(of("web"), 1) << "a measured time is not overruled";
}

TEST(R1_7, PlacesTakenByOthersCount) {
  Pace pace(2);
  pace.expect(TemplateId("a"), milliseconds{1000});
  const Pace::Time now{};
  const auto free = pace.forecast({TemplateId("a")}, 0, now).front();
  EXPECT_EQ(free, milliseconds{1000});
  EXPECT_GT(pace.forecast({TemplateId("a")}, 2, now).front(), free);
  EXPECT_TRUE(pace.forecast({}, 2, now).empty());
}

}  // namespace
}  // namespace tiltyard::labs
