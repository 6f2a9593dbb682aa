#include "observe/metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

namespace tiltyard::metrics {
namespace {

constexpr Metric kSpawnsTotal{
    .name = "test_spawns_total", .kind = Kind::kCounter, .unit = "1", .help = "Spawns.", .labels = {"result"}};
constexpr Metric kAlive{.name = "test_alive", .kind = Kind::kGauge, .unit = "1", .help = "Alive."};
constexpr Metric kSeconds{.name = "test_seconds", .kind = Kind::kHistogram, .unit = "1", .help = "Seconds."};
constexpr Metric kSameTotal{
    .name = "test_same_total", .kind = Kind::kCounter, .unit = "1", .help = "Same.", .labels = {"a"}};
constexpr Metric kCollected{.name = "test_collected", .kind = Kind::kGauge, .unit = "1", .help = "Collected."};
constexpr Metric kSharedTotal{.name = "test_shared_total", .kind = Kind::kCounter, .unit = "1", .help = "Shared."};

/// The value of a series in the exposition, by its whole name with labels; NaN when it is not there.
double value_of(const std::string& series) {
  std::istringstream text(expose());
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
  }
  return std::nan("");
}

TEST(R10_1, CountersGaugesAndHistogramsAreExposedAsText) {
  const Counter spawns = counter(kSpawnsTotal, {"ok"});
  spawns.add();
  spawns.add(2);
  const Gauge alive = gauge(kAlive);
  alive.set(5);
  alive.add(-2);
  const Histogram seconds = histogram(kSeconds, {0.1, 1});
  seconds.observe(0.05);
  seconds.observe(0.5);
  seconds.observe(5);
  EXPECT_EQ(value_of("test_spawns_total{result=\"ok\"}"), 3);
  EXPECT_EQ(value_of("test_alive"), 3);
  EXPECT_EQ(value_of("test_seconds_bucket{le=\"0.1\"}"), 1);
  EXPECT_EQ(value_of("test_seconds_bucket{le=\"1\"}"), 2);
  EXPECT_EQ(value_of("test_seconds_bucket{le=\"+Inf\"}"), 3);
  EXPECT_EQ(value_of("test_seconds_count"), 3);
  const std::string text = expose();
  EXPECT_NE(text.find("# HELP test_spawns_total Spawns.\n# TYPE test_spawns_total counter\n"), std::string::npos);
  EXPECT_NE(text.find("# TYPE test_seconds histogram\n"), std::string::npos);
}

TEST(R10_1, TheSameNameAndLabelsAreTheSameSeries) {
  counter(kSameTotal, {"1"}).add();
  counter(kSameTotal, {"1"}).add();
  counter(kSameTotal, {"2"}).add();
  EXPECT_EQ(value_of("test_same_total{a=\"1\"}"), 2);
  EXPECT_EQ(value_of("test_same_total{a=\"2\"}"), 1);
}

TEST(R10_1, CollectorsRunBeforeEveryExpositionAndMayLookHandlesUp) {
  static int calls = 0;  // collectors are for ever
  on_collect([] { gauge(kCollected).set(++calls); });
  EXPECT_EQ(value_of("test_collected"), 1);
  EXPECT_EQ(value_of("test_collected"), 2);
}

TEST(R10_1, TheProcessIsMeasured) {
  EXPECT_GT(value_of("process_resident_memory_bytes"), 1e6);
  EXPECT_GE(value_of("process_threads"), 1);
  EXPECT_NEAR(value_of("process_start_time_seconds"), static_cast<double>(std::time(nullptr)), 300);
  const double before = value_of("process_open_fds");
  std::ifstream one("/proc/self/stat"), two("/proc/self/stat");
  EXPECT_EQ(value_of("process_open_fds"), before + 2);
  EXPECT_GT(value_of("process_max_fds"), before);
}

TEST(R10_1, ProcessorTimeOnlyGrows) {
  const double before = value_of("process_cpu_seconds_total");
  const std::clock_t begun = std::clock();
  while (std::clock() - begun < CLOCKS_PER_SEC / 20) {}
  EXPECT_GE(value_of("process_cpu_seconds_total"), before + 0.04);
}

TEST(R10_1, HandlesMayBeUsedByAllThreadsAtOnce) {
  const Counter shared = counter(kSharedTotal);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([shared] {
      for (int i = 0; i < 1000; ++i) shared.add();
      (void)expose();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(value_of("test_shared_total"), 4000);
}

}  // namespace
}  // namespace tiltyard::metrics
