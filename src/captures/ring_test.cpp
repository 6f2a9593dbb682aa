#include "captures/ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/test_folder.h"
#include "captures/pcapng.h"

namespace tiltyard::captures {
namespace {

namespace fs = std::filesystem;

constexpr TimePoint kStart{std::chrono::hours{24 * 365 * 50}};

std::string packet(std::uint64_t number, std::size_t size = 1000) {
  std::string out;
  pcapng::append(out, pcapng::Packet{0, number, 60, std::string(size, 'x')});
  return out;
}

class R2_7_Ring : public testing::Test {
 protected:
  std::shared_ptr<Ring> open(Ring::Bounds bounds) {
    auto ring = Ring::open(folder_.path() + "/ring", bounds, kStart);
    EXPECT_TRUE(ring) << ring.error().cause;
    return *ring;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/ring")) out.push_back(entry.path());
    std::ranges::sort(out);
    return out;
  }
  static std::string all_of(const Ring& ring, Ring::Place& place, std::uint64_t* lost = nullptr) {
    std::string out;
    while (true) {
      auto piece = ring.read(place);
      EXPECT_TRUE(piece) << piece.error().cause;
      if (lost) *lost += piece->lost;
      if (piece->blocks.empty()) return out;
      out += piece->blocks;
    }
  }

  TestFolder folder_;
};

TEST_F(R2_7_Ring, TheOldestGoesWhenThereIsTooMuch) {
  const auto ring = open({64 * 1024, {}});
  for (std::uint64_t i = 0; i < 500; ++i) ASSERT_TRUE(ring->append(packet(i), 1, kStart));
  EXPECT_LE(ring->bytes(), 64u * 1024);
  EXPECT_GE(ring->bytes(), 48u * 1024);
  std::uint64_t on_disk = 0;
  for (const auto& file : files()) {
    on_disk += fs::file_size(file);
    struct stat status{};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << "nobody else's";
  }
  EXPECT_EQ(on_disk, ring->bytes());
  // What is left is the newest, without a hole.
  auto place = ring->begin();
  const auto first = place.packet;
  const auto left = all_of(*ring, place);
  EXPECT_EQ(pcapng::walk(left).packets, 500 - first);
  std::string expected;
  for (std::uint64_t i = first; i < 500; ++i) expected += packet(i);
  EXPECT_EQ(left, expected);
}

TEST_F(R2_7_Ring, WhatIsTooOldGoes) {
  const auto ring = open({1 << 20, std::chrono::seconds{80}});
  for (int i = 0; i < 20; ++i) {
    const auto now = kStart + std::chrono::seconds{10 * i};
    ASSERT_TRUE(ring->append(packet(static_cast<std::uint64_t>(i)), 1, now));
    ring->forget_old(now);
  }
  auto place = ring->begin();
  EXPECT_EQ(place.packet, 11u);
  EXPECT_EQ(pcapng::walk(all_of(*ring, place)).packets, 9u);
  ring->forget_old(kStart + std::chrono::seconds{1000});
  EXPECT_EQ(ring->bytes(), 0u);
  // And goes on.
  ASSERT_TRUE(ring->append(packet(20), 1, kStart + std::chrono::seconds{1000}));
  std::uint64_t lost = 0;
  EXPECT_EQ(all_of(*ring, place, &lost), packet(20));
  EXPECT_EQ(lost, 0u);
}

TEST_F(R2_7_Ring, ASlowReaderIsToldHowManyItMissed) {
  const auto ring = open({64 * 1024, {}});
  ASSERT_TRUE(ring->append(packet(0), 1, kStart));
  auto place = ring->begin();
  EXPECT_EQ(all_of(*ring, place), packet(0));
  for (std::uint64_t i = 1; i < 300; ++i) ASSERT_TRUE(ring->append(packet(i), 1, kStart));
  const auto oldest = ring->begin().packet;
  ASSERT_GT(oldest, 1u);
  std::uint64_t lost = 0;
  const auto rest = all_of(*ring, place, &lost);
  EXPECT_EQ(lost, oldest - 1);
  EXPECT_EQ(pcapng::walk(rest).packets + lost + 1, 300u);
  EXPECT_EQ(place, ring->end());
}

TEST_F(R2_7_Ring, ReadingStopsWhereItIsTold) {
  const auto ring = open({1 << 20, {}});
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(ring->append(packet(i), 1, kStart));
  const auto until = ring->end();
  auto place = ring->begin();
  for (std::uint64_t i = 10; i < 300; ++i) ASSERT_TRUE(ring->append(packet(i), 1, kStart));
  std::uint64_t packets = 0;
  while (true) {
    const auto piece = ring->read(place, until);
    ASSERT_TRUE(piece);
    if (piece->blocks.empty()) break;
    packets += pcapng::walk(piece->blocks).packets;
  }
  EXPECT_EQ(packets, 10u);
}

TEST_F(R2_7_Ring, ATornTailOfAnEarlierProcessIsCut) {
  {
    const auto ring = open({1 << 20, {}});
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(ring->append(packet(i), 1, kStart));
  }
  const auto last = files().back();
  const auto whole = fs::file_size(last);
  std::ofstream(last, std::ios::app | std::ios::binary) << packet(5).substr(0, 700);
  const auto ring = open({1 << 20, {}});
  EXPECT_EQ(fs::file_size(last), whole);
  ASSERT_TRUE(ring->append(packet(6), 1, kStart));
  auto place = ring->begin();
  const auto all = all_of(*ring, place);
  EXPECT_EQ(pcapng::walk(all).packets, 6u);
  EXPECT_TRUE(all.ends_with(packet(6)));
}

/// Longer than what is looked through at once.
TEST_F(R2_7_Ring, ALongFileIsTakenUpWhole) {
  constexpr std::uint64_t kMany = 40;
  {
    const auto ring = open({64 << 20, {}});
    for (std::uint64_t i = 0; i < kMany; ++i) ASSERT_TRUE(ring->append(packet(i, 100'001), 1, kStart));
  }
  const auto ring = open({64 << 20, {}});
  auto place = ring->begin();
  EXPECT_EQ(pcapng::walk(all_of(*ring, place)).packets, kMany);
  EXPECT_EQ(ring->end().packet, kMany);
}

}  // namespace
}  // namespace tiltyard::captures
