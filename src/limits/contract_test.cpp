// What every place that counts promises: this process's memory, and a real Redis.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>

#include "limits/memory.h"
#include "limits/shared.h"
#include "limits/testing.h"

namespace tiltyard::limits {
namespace {

using testing::RedisServer;
using testing::run;
using namespace std::chrono_literals;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;

class Counts {
 public:
  virtual ~Counts() = default;
  virtual Outcome take(std::vector<Charge> charges) = 0;
  virtual void pass(std::int64_t micros) = 0;
};

class InMemory final : public Counts {
 public:
  Outcome take(std::vector<Charge> charges) override { return memory_.take(charges, now_); }
  void pass(std::int64_t micros) override { now_ += micros; }

 private:
  Memory memory_;
  std::atomic<std::int64_t> now_{1'000'000 * kSecond};
};

class InRedis final : public Counts {
 public:
  InRedis() : redis_(server_.connect(loops_)), shared_(*redis_, "test") {}
  ~InRedis() override {
    asio::co_spawn(loops_.home(), redis_->close(), asio::use_future).get();
    loops_.stop();
  }
  Outcome take(std::vector<Charge> charges) override {
    auto outcome = run(loops_, shared_.take(charges));
    EXPECT_TRUE(outcome) << outcome.error().message << outcome.error().cause;
    return outcome.value_or(Outcome{});
  }
  // Redis' clock is its own.
  void pass(std::int64_t micros) override { std::this_thread::sleep_for(std::chrono::microseconds{micros}); }

 private:
  RedisServer server_;
  net::Loops loops_{1};
  std::unique_ptr<bus::Redis> redis_;
  Shared shared_;
};

using Make = std::unique_ptr<Counts> (*)();
class Contract : public ::testing::TestWithParam<Make> {
 protected:
  std::unique_ptr<Counts> counts_ = GetParam()();
};
INSTANTIATE_TEST_SUITE_P(Memory, Contract,
                         ::testing::Values(+[]() -> std::unique_ptr<Counts> { return std::make_unique<InMemory>(); }));
INSTANTIATE_TEST_SUITE_P(Redis, Contract,
                         ::testing::Values(+[]() -> std::unique_ptr<Counts> { return std::make_unique<InRedis>(); }));

TEST_P(Contract, R7_6_ABurstAndThenNoMore) {
  const Quota quota = Quota::of(5, 5, 5 * kHour);
  for (int i = 1; i <= 5; ++i) {
    const auto outcome = counts_->take({{"a", "x", false, quota}});
    EXPECT_TRUE(outcome.allowed);
    EXPECT_EQ(quota.left(outcome.debt[0]), 5 - i);
  }
  const auto refused = counts_->take({{"a", "x", false, quota}});
  EXPECT_FALSE(refused.allowed);
  EXPECT_GT(quota.wait(refused.debt[0]), kHour - 60 * kSecond);
  EXPECT_LE(quota.wait(refused.debt[0]), kHour);
  EXPECT_EQ(quota.left(refused.debt[0]), 0);
}

TEST_P(Contract, R7_6_ComesBackAfterExactlyTheTimeThatWasSaid) {
  const Quota quota = Quota::of(2, 2, kSecond / 5);
  Outcome outcome;
  while (outcome.allowed) outcome = counts_->take({{"a", "x", false, quota}});
  const auto wait = quota.wait(outcome.debt[0]);
  ASSERT_GT(wait, 0);
  ASSERT_LE(wait, quota.interval);
  counts_->pass(wait);
  EXPECT_TRUE(counts_->take({{"a", "x", false, quota}}).allowed);
}

TEST_P(Contract, R7_6_AllOrNothing) {
  const Quota wide = Quota::of(10, 10, 10 * kHour), narrow = Quota::of(1, 1, kHour);
  const auto both = [&] { return counts_->take({{"wide", "x", false, wide}, {"narrow", "x", false, narrow}}); };
  EXPECT_TRUE(both().allowed);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(both().allowed);
  EXPECT_EQ(wide.left(both().debt[0]), 9) << "what was refused was not charged to the other limiter";
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(counts_->take({{"wide", "x", false, wide}}).allowed);
  EXPECT_FALSE(counts_->take({{"wide", "x", false, wide}}).allowed);
}

TEST_P(Contract, R7_6_EachHasAShareOfItsOwn) {
  const Quota once = Quota::of(1, 1, kHour);
  std::string bytes("\0\r\n\xff", 4);
  const std::string longer(5000, 'x');
  for (const std::string& subject : {std::string("x"), std::string("y"), std::string("2001:db8::/64"),
                                     std::string("Zoë"), bytes, longer, std::string()}) {
    for (const auto* limiter : {"a", "b"}) {
      for (const bool daily : {false, true}) {
        EXPECT_TRUE(counts_->take({{limiter, subject, daily, once}}).allowed) << limiter << ' ' << subject.size();
        EXPECT_FALSE(counts_->take({{limiter, subject, daily, once}}).allowed) << limiter << ' ' << subject.size();
      }
    }
  }
}

TEST_P(Contract, R7_6_AChangeCountsAtOnce) {
  const Quota five = Quota::of(5, 5, 5 * kHour), ten = Quota::of(10, 10, 10 * kHour), two = Quota::of(2, 2, 2 * kHour);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(counts_->take({{"a", "x", false, five}}).allowed);
  EXPECT_FALSE(counts_->take({{"a", "x", false, five}}).allowed);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(counts_->take({{"a", "x", false, ten}}).allowed);
  EXPECT_FALSE(counts_->take({{"a", "x", false, ten}}).allowed);
  EXPECT_FALSE(counts_->take({{"a", "x", false, two}}).allowed);
}

TEST_P(Contract, R7_6_ManyAtOnceGetNoMoreThanTheBurst) {
  const Quota quota = Quota::of(100, 100, 100 * kHour), other = Quota::of(1000, 1000, 1000 * kHour);
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j)
        allowed += counts_->take({{"other", "x", false, other}, {"a", "x", false, quota}}).allowed ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(allowed, 100);
}

TEST(R7_6, AFloodOfAddressesGrowsNothingAndHidesNobody) {
  Memory memory(1 << 12);
  const auto before = memory.bytes();
  const Quota quota = Quota::of(20, 20, 60 * kSecond);
  std::int64_t now = kHour;
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(memory.take(std::vector<Charge>{{"sign-in", "attacker", false, quota}}, now).allowed);
  for (int i = 0; i < 200'000; ++i) {
    const auto address = "198.51." + std::to_string(i);
    EXPECT_TRUE(memory.take(std::vector<Charge>{{"sign-in", address, false, quota}}, now).allowed);
    now += 2;
  }
  EXPECT_FALSE(memory.take(std::vector<Charge>{{"sign-in", "attacker", false, quota}}, now).allowed)
      << "who owes much is not forgotten for who owes little";
  EXPECT_EQ(memory.bytes(), before);
  EXPECT_LE(before, 4096U * 16);
}

TEST(R7_6, WhatNobodyCountsTakesNoMemory) {
  const auto resident = [] {
    std::ifstream pages("/proc/self/statm");
    std::size_t whole = 0, here = 0;
    pages >> whole >> here;
    return here * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  };
  const auto before = resident();
  Memory memory(std::size_t{1} << 22);
  ASSERT_GE(memory.bytes(), std::size_t{64} << 20);
  EXPECT_TRUE(memory.take(std::vector<Charge>{{"a", "x", false, Quota::of(1, 1, kSecond)}}, kHour).allowed);
  EXPECT_LT(resident(), before + (std::size_t{8} << 20));
}

TEST(R7_6, NeverMoreThanSaidOverALongTime) {
  for (const auto [burst, rate] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {7, 100}, {100, 7}, {3, 999'983}}) {
    Memory memory(64);
    const Quota quota = Quota::of(burst, rate, 60 * kSecond);
    std::int64_t now = kHour, allowed = 0;
    const std::int64_t end = now + 60 * kSecond;
    while (now < end) {
      const auto outcome = memory.take(std::vector<Charge>{{"a", "x", false, quota}}, now);
      allowed += outcome.allowed ? 1 : 0;
      now += outcome.allowed ? 1 : quota.wait(outcome.debt[0]);
    }
    EXPECT_LE(allowed, burst + rate);
    EXPECT_GE(allowed, std::min(rate, rate + burst - 1) * 98 / 100) << burst << ' ' << rate;
  }
}

}  // namespace
}  // namespace tiltyard::limits
