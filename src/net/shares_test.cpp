#include "net/shares.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <boost/asio/ip/address.hpp>

#include <thread>
#include <vector>

#include "net/descriptors.h"

namespace tiltyard::net {
namespace {

Holder at(const char* address) { return holder_of(boost::asio::ip::make_address(address)); }

TEST(R7_6, AnAddressCountsAsItself) {
  EXPECT_EQ(at("10.0.0.1"), at("::ffff:10.0.0.1"));
  EXPECT_NE(at("10.0.0.1"), at("10.0.0.2"));
  EXPECT_EQ(at("2001:db8::1"), at("2001:db8::ffff:0:0:2")) << "one subscriber";
  EXPECT_NE(at("2001:db8::1"), at("2001:db8:0:1::1"));
  EXPECT_NE(at("::1"), at("127.0.0.1"));
}

TEST(R7_6, NobodyHasMoreThanAShareNorAllMoreThanThereIs) {
  Shares shares(2, 3);
  auto one = shares.take(1), two = shares.take(1);
  EXPECT_TRUE(one && two);
  EXPECT_FALSE(shares.take(1)) << "over its share";
  EXPECT_EQ(one.load(), 1.0);
  auto other = shares.take(2);
  EXPECT_TRUE(other);
  EXPECT_TRUE(shares.full());
  EXPECT_FALSE(shares.take(3)) << "nothing is left";
  EXPECT_FALSE(shares.take_for_many());
  one.reset();
  EXPECT_TRUE(shares.take(3)) << "and is given back at once";
  EXPECT_EQ(shares.used(), 2u);
  const auto moved = std::move(two);
  EXPECT_EQ(shares.used(), 2u);
}

TEST(R7_6, WhoSpeaksForManyHasNoShare) {
  Shares shares(1, 3);
  const auto one = shares.take_for_many(), two = shares.take_for_many();
  EXPECT_TRUE(one && two);
  EXPECT_EQ(one.load(), 0.0);
  EXPECT_TRUE(shares.take(1));
}

TEST(R7_6, AHoldGrowsAsFarAsItsShare) {
  Shares shares(100, 150);
  auto one = shares.take(1, 60);
  EXPECT_TRUE(one.grow(40));
  EXPECT_FALSE(one.grow(1));
  EXPECT_EQ(one.amount(), 100u);
  auto other = shares.take(2, 0);
  EXPECT_TRUE(other.grow(50));
  EXPECT_FALSE(other.grow(1)) << "all of it is taken";
  one.shrink(100);
  EXPECT_TRUE(other.grow(1));
  EXPECT_EQ(shares.used(), 51u);
}

TEST(R7_6, ManyThreadsLoseNothing) {
  Shares shares(Shares::kUnlimited, 1000);
  {
    std::vector<std::jthread> threads;
    for (Holder name = 0; name < 4; ++name) {
      threads.emplace_back([&shares, name] {
        for (int i = 0; i < 20'000; ++i) {
          auto hold = shares.take(name % 2);
          ASSERT_TRUE(hold && hold.grow(3));
          hold.shrink(2);
        }
      });
    }
  }
  EXPECT_EQ(shares.used(), 0u);
}

TEST(R10_6, DescriptorsAreKeptBackForTheRest) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const int most = static_cast<int>(limit.rlim_cur);
  EXPECT_FALSE(short_of_descriptors(Door::kPage));
  EXPECT_FALSE(kept_back(20, Door::kPage));
  EXPECT_FALSE(kept_back(20, Door::kGateway));
  EXPECT_TRUE(kept_back(most - 1, Door::kPage));
  EXPECT_GE(reserve(Door::kPage), 32);
  EXPECT_GT(reserve(Door::kGateway), reserve(Door::kPage)) << "the page is reached when the gateway is full";
  EXPECT_FALSE(kept_back(most - reserve(Door::kPage) - 1, Door::kPage));
  EXPECT_TRUE(kept_back(most - reserve(Door::kPage) - 1, Door::kGateway));
}

}  // namespace
}  // namespace tiltyard::net
