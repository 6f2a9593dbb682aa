#include <gtest/gtest.h>

#include "traffic/traffic.h"

namespace tiltyard::traffic {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

gateway::Traffic counted(std::uint64_t connections, std::uint64_t in, std::uint64_t out, std::uint64_t open = 0) {
  gateway::Traffic traffic;
  traffic.connections = connections;
  traffic.bytes_in = in;
  traffic.bytes_out = out;
  traffic.open = open;
  return traffic;
}

TEST(R2_1, TrafficIsWhatCameBetweenTwoLooks) {
  Sampler sampler;
  sampler.take(kStart, {{"a", counted(100, 5000, 9000)}});
  EXPECT_TRUE(sampler.samples("").empty()) << "what was before the first look has no time";
  sampler.take(kStart + 5s, {{"a", counted(110, 6000, 19'000, 3)}, {"b", counted(5, 500, 0)}});
  const auto whole = sampler.samples("");
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].at, kStart + 5s);
  EXPECT_FLOAT_EQ(whole[0].connections, 3);
  EXPECT_FLOAT_EQ(whole[0].bytes_in, 300);
  EXPECT_FLOAT_EQ(whole[0].bytes_out, 2000);
  EXPECT_EQ(whole[0].open, 3u);
  const auto one = sampler.samples("a");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_FLOAT_EQ(one[0].bytes_out, 2000);
  EXPECT_TRUE(sampler.samples("nobody").empty());
}

TEST(R2_1, AnInstanceThatIsPublishedAnewBeginsAnew) {
  Sampler sampler;
  sampler.take(kStart, {{"a", counted(100, 5000, 9000)}});
  sampler.take(kStart + 5s, {{"a", counted(5, 10, 0)}});
  EXPECT_FLOAT_EQ(sampler.samples("a")[0].connections, 1);
}

TEST(R2_1, OfTrafficOnlySoMuchIsRemembered) {
  Sampler sampler;
  sampler.take(kStart, {{"a", counted(0, 0, 0)}});
  for (std::uint64_t round = 1; round <= Sampler::kWhole + 5; ++round)
    sampler.take(kStart + round * Sampler::kEvery, {{"a", counted(0, round, 0)}});
  EXPECT_EQ(sampler.samples("").size(), Sampler::kWhole);
  EXPECT_EQ(sampler.samples("a").size(), Sampler::kOfOne);
  // Who is not used any more is forgotten after its time, who is gone at once.
  constexpr auto kUsed = Sampler::kWhole + 5;
  for (std::size_t i = 0; i + 1 < Sampler::kOfOne; ++i)
    sampler.take(kStart + 5h + i * Sampler::kEvery, {{"a", counted(0, kUsed, 0)}});
  EXPECT_FALSE(sampler.samples("a").empty());
  sampler.take(kStart + 9h, {{"a", counted(0, kUsed, 0)}});
  EXPECT_TRUE(sampler.samples("a").empty());
  sampler.take(kStart + 10h, {{"a", counted(0, kUsed + 1, 0)}});
  EXPECT_FALSE(sampler.samples("a").empty());
  sampler.take(kStart + 11h, {});
  EXPECT_TRUE(sampler.samples("a").empty());
}

TEST(R2_1, OnlySoManyInstancesArePlotted) {
  std::map<std::string, gateway::Traffic> counts;
  for (std::size_t i = 0; i < Sampler::kInstances + 10; ++i) counts["i" + std::to_string(i)] = counted(0, 0, 0);
  Sampler sampler;
  sampler.take(kStart, counts);
  for (auto& [id, one] : counts) one.bytes_in = 5;
  sampler.take(kStart + 5s, counts);
  std::size_t plotted = 0;
  for (const auto& [id, one] : counts) plotted += sampler.samples(id).empty() ? 0 : 1;
  EXPECT_EQ(plotted, Sampler::kInstances);
  EXPECT_FLOAT_EQ(sampler.samples("")[0].bytes_in, Sampler::kInstances + 10);
}

}  // namespace
}  // namespace tiltyard::traffic
