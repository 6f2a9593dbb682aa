// The rows of doors: keys that turn, links and who came by them, and what the log says of rights that were lost.
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <map>

#include "base/test_folder.h"
#include "bus/event_log.h"
#include "doors/addresses.h"
#include "doors/events.h"
#include "doors/store.h"
#include "net/loops.h"

namespace tiltyard::doors {
namespace {

using namespace std::chrono_literals;

constexpr bus::EventKind kGone{.name = "team.left", .prose = "Somebody left.", .touches = bus::Touches::kRights};
constexpr bus::EventKind kHarmless{.name = "login", .prose = "Somebody signed in."};
constexpr const bus::EventKind* kOthers[] = {&kGone, &kHarmless};

class R2_4_DoorRows : public testing::Test {
 protected:
  R2_4_DoorRows() {
    store_ = std::move(*store::open("sqlite:" + folder_.path() + "/test.db"));
    EXPECT_TRUE(store_->migrate({{"bus", bus::migrations()}, {"doors", migrations()}}));
    EXPECT_TRUE(kinds_.add("identity", kOthers));
    EXPECT_TRUE(kinds_.add("doors", events::kAll));
  }
  ~R2_4_DoorRows() override {
    store_->close();
    loops_.stop();
  }

  template <class Work>
  auto write(Work work) {
    using Out = std::invoke_result_t<Work, soci::session&>;
    auto all = [work](soci::session& sql) -> Result<Out> { return work(sql); };
    return *asio::co_spawn(loops_.home(), store_->write(all), asio::use_future).get();
  }
  std::vector<int> key_ids(TimePoint now) {
    std::vector<int> ids;
    for (const auto& key : write([now](soci::session& sql) { return sql::keys(sql, now); })) ids.push_back(key.id);
    return ids;
  }
  Share share(const std::string& id, bool one = true) {
    Share made{id, "I1", "zoe", "hash-" + id, one, "u1", "Zoë", now_, now_ + 1h};
    write([&](soci::session& sql) {
      sql::add(sql, made);
      return true;
    });
    return made;
  }
  bool let_in(const Share& one, const std::string& user) {
    return write([&](soci::session& sql) { return sql::let_in(sql, one, user, "name of " + user, now_); });
  }
  void tell(bus::KindRef kind, const std::string& subject, TimePoint at) {
    bus::Event event;
    event.kind = kind;
    event.subject = subject;
    event.at = at;
    event.detail = "{}";
    EXPECT_TRUE(write([&](soci::session& sql) { return bus::record(sql, event).has_value(); }));
  }

  TestFolder folder_;
  net::Loops loops_{1};
  std::unique_ptr<store::Store> store_;
  bus::Kinds kinds_;
  TimePoint now_ = from_micros(1'800'000'000'000'000);
};

TEST_F(R2_4_DoorRows, KeysTurnDailyAndTheNewestWaitsUntilAllKnowIt) {
  using Ids = std::vector<int>;
  EXPECT_EQ(key_ids(now_), (Ids{0}));
  EXPECT_EQ(key_ids(now_ + 23h), (Ids{0}));
  EXPECT_EQ(key_ids(now_ + 24h), (Ids{0, 1})) << "the one before still makes passes";
  EXPECT_EQ(key_ids(now_ + 24h + 5min), (Ids{1, 0}));
  EXPECT_EQ(key_ids(now_ + 48h + 5min), (Ids{1, 2, 0}));
  EXPECT_EQ(key_ids(now_ + 72h + 5min), (Ids{2, 3, 1})) << "three days, then it is forgotten";
  const auto read = write([&](soci::session& sql) { return sql::keys_as_they_are(sql, now_ + 72h + 10min); });
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0].id, 3);
  EXPECT_TRUE(write([&](soci::session& sql) { return sql::keys_as_they_are(sql, now_ + 96h); }).empty());
  EXPECT_NE(read[0].secret, read[1].secret);
}

TEST_F(R2_4_DoorRows, ALinkForOneIsOfWhoeverCameFirst) {
  const auto one = share("S1"), all = share("S2", false);
  EXPECT_TRUE(let_in(one, "ann"));
  EXPECT_TRUE(let_in(one, "ann"));
  EXPECT_FALSE(let_in(one, "ben"));
  EXPECT_TRUE(let_in(all, "ann"));
  EXPECT_TRUE(let_in(all, "ben"));
  const auto of = [&](const std::string& user, TimePoint at) {
    const auto found = write([&](soci::session& sql) { return sql::share_of_guest(sql, "I1", user, at); });
    return found ? found->id : std::string();
  };
  EXPECT_EQ(of("ben", now_), "S2");
  EXPECT_EQ(of("kim", now_), "");
  EXPECT_EQ(of("ben", now_ + 1h), "") << "it has ended";
  const auto all_of = [&](const std::string& user, TimePoint at) {
    return write([&](soci::session& sql) { return sql::shares_of_guest(sql, user, at); });
  };
  EXPECT_EQ(all_of("ann", now_).size(), 2U);
  ASSERT_EQ(all_of("ben", now_).size(), 1U);
  EXPECT_EQ(all_of("ben", now_).front().id, "S2");
  EXPECT_EQ(all_of("ben", now_ + 1h).size(), 0U);
  const auto listed = write([&](soci::session& sql) { return sql::shares_of(sql, "I1", now_); });
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].guests, (std::vector<std::string>{"name of ann", "name of ben"}));
  EXPECT_FALSE(write([&](soci::session& sql) { return sql::remove(sql, "I2", "S2"); })) << "of another instance";
  EXPECT_TRUE(write([&](soci::session& sql) { return sql::remove(sql, "I1", "S2"); }));
  EXPECT_EQ(of("ben", now_), "");
  EXPECT_FALSE(write([&](soci::session& sql) { return sql::share_by_hash(sql, "hash-S2", now_); }));
  EXPECT_TRUE(write([&](soci::session& sql) { return sql::share_by_hash(sql, "hash-S1", now_); }));
}

TEST_F(R2_4_DoorRows, WhatHasEndedIsTakenOnce) {
  share("S1");
  EXPECT_FALSE(write([&](soci::session& sql) { return sql::has_ended(sql, now_ + 59min); }));
  EXPECT_TRUE(write([&](soci::session& sql) { return sql::has_ended(sql, now_ + 1h); }));
  EXPECT_EQ(write([&](soci::session& sql) { return sql::take_ended(sql, now_ + 1h); }).size(), 1U);
  EXPECT_EQ(write([&](soci::session& sql) { return sql::take_ended(sql, now_ + 1h); }).size(), 0U);
}

TEST_F(R2_4_DoorRows, TheLogSaysWhoHasLostARight) {
  tell(kGone, "long-ago", now_ - 48h);
  tell(kGone, "ann", now_ - 1h);
  tell(kGone, "ann", now_);
  tell(kHarmless, "ben", now_);
  tell(events::kUnshared, "S1", now_);
  tell(events::kShared, "S2", now_);
  const auto since = write([&](soci::session& sql) { return sql::lost_since(sql, kinds_, now_ - 24h); });
  const std::map<std::string, TimePoint> parties(since.parties.begin(), since.parties.end());
  EXPECT_EQ(parties, (std::map<std::string, TimePoint>{{"ann", now_}, {"S1", now_}}));
  EXPECT_EQ(since.parties.size(), 2U);
  EXPECT_TRUE(write([&](soci::session& sql) { return sql::lost_after(sql, kinds_, since.until); }).parties.empty());
  tell(kGone, "kim", now_);
  const auto after = write([&](soci::session& sql) { return sql::lost_after(sql, kinds_, since.until); });
  ASSERT_EQ(after.parties.size(), 1U);
  EXPECT_EQ(after.parties[0].first, "kim");
  EXPECT_EQ(after.until, since.until + 1);
}

TEST(R2_4_DoorAddresses, OnesManyAddressesTakeNobodysRoom) {
  const auto now = from_micros(1'800'000'000'000'000);
  Addresses addresses(4h);
  int noted = 0;
  for (net::Holder address = 0; address < 30'000; ++address)
    noted += addresses.note("eve", address, "eve", now) ? 1 : 0;
  EXPECT_EQ(noted, 100);
  EXPECT_TRUE(addresses.note("zoe", 1, "ann", now));
  EXPECT_EQ(addresses.until("zoe", 1, now), now + 4h);
  EXPECT_EQ(addresses.until("zoe", 1, now + 4h), std::nullopt);
  EXPECT_TRUE(addresses.note("eve", 1, "eve", now + 1h)) << "what is known is renewed";
  EXPECT_TRUE(addresses.note("eve", 70'000, "eve", now + 4h)) << "and what has ended makes room";
}

TEST(R2_4_DoorAddresses, TheyAreNewsNowAndThenAndGoneWithTheRight) {
  const auto now = from_micros(1'800'000'000'000'000);
  Addresses addresses(4h);
  EXPECT_TRUE(addresses.is_news("team", 1, now));
  EXPECT_TRUE(addresses.note("team", 1, "ann", now));
  EXPECT_TRUE(addresses.note("team", 2, "ben", now));
  EXPECT_FALSE(addresses.is_news("team", 1, now + 29min));
  EXPECT_TRUE(addresses.is_news("team", 1, now + 30min));
  addresses.forget("ann");
  EXPECT_EQ(addresses.until("team", 1, now), std::nullopt);
  EXPECT_EQ(addresses.until("team", 2, now), now + 4h);
  addresses.forget("team");
  EXPECT_EQ(addresses.until("team", 2, now), std::nullopt);
}

}  // namespace
}  // namespace tiltyard::doors
