#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "access/contacts.h"
#include "base/test_folder.h"
#include "net/loops.h"

namespace tiltyard::access {
namespace {

using namespace std::chrono_literals;

TimePoint at(int second) { return TimePoint{std::chrono::seconds{1'800'000'000 + second}}; }

class R5_4_Access : public ::testing::Test {
 protected:
  R5_4_Access() {
    store_ = std::move(*store::open("sqlite:" + folder_.at("t.db")));
    EXPECT_TRUE(store_->migrate({{"access", migrations()}}));
    contacts_ = std::make_unique<Contacts>(*store_);
  }
  ~R5_4_Access() override { store_->close(); }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }
  Entry entry(std::string instance, std::string address, int second, std::int64_t visitor = 0) {
    return {std::move(instance), "web", "red", "page", std::move(address), visitor, at(second)};
  }
  std::vector<Seen> read(Query query = {}) {
    auto found = run(contacts_->read(std::move(query)));
    EXPECT_TRUE(found) << found.error().cause;
    return found ? *found : std::vector<Seen>{};
  }

  TestFolder folder_;
  net::Loops loops_{1};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Contacts> contacts_;
};

TEST_F(R5_4_Access, TheFirstStaysTheFirstWhateverIsForgotten) {
  EXPECT_EQ(run(contacts_->write({entry("one", "10.0.0.2", 20, 7), entry("one", "10.0.0.1", 10)})).value(), 0u);
  ASSERT_TRUE(run(contacts_->name(7, "ada")));
  // The gateway has forgotten that it knew them, and a batch of another loop comes late.
  EXPECT_EQ(run(contacts_->write({entry("one", "10.0.0.1", 90), entry("one", "10.0.0.2", 15, 7)})).value(), 0u);
  const auto found = read();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].address, "10.0.0.1");
  EXPECT_EQ(found[0].first, at(10));
  EXPECT_EQ(found[0].last, at(90));
  EXPECT_EQ(found[0].noted, 2);
  EXPECT_EQ(found[0].user, "");
  EXPECT_EQ(found[1].user, "ada");
  EXPECT_EQ(found[1].first, at(15)) << "what happened first counts, not what was written first";
  EXPECT_EQ(found[1].last, at(20));
}

TEST_F(R5_4_Access, ItCanBeAskedByOwnerEndpointAndUserAndPageByPage) {
  std::vector<Entry> entries;
  for (int i = 0; i < 10; ++i) entries.push_back(entry("one", "10.0.0." + std::to_string(i), 100 - i, i));
  entries.push_back({"two", "pwn", "blue", "shell", "10.0.0.1", 1, at(5)});
  ASSERT_TRUE(run(contacts_->write(std::move(entries))));
  ASSERT_TRUE(run(contacts_->name(1, "ada")));
  ASSERT_TRUE(run(contacts_->name(1, "ada"))) << "said again after a start";
  EXPECT_EQ(read({.owner = "blue"}).size(), 1u);
  EXPECT_EQ(read({.endpoint = "shell"}).front().instance, "two");
  EXPECT_EQ(read({.user = "ada"}).size(), 2u);
  EXPECT_EQ(read({.instance = "one", .user = "ada"}).size(), 1u);
  EXPECT_TRUE(read({.tmpl = "no"}).empty());
  std::vector<std::string> addresses;
  for (Query query{.instance = "one", .limit = 3};;) {
    const auto page = read(query);
    for (const auto& one : page) addresses.push_back(one.address);
    if (page.size() < 3) break;
    query.after = page.back().id;
    query.after_time = page.back().first;
  }
  ASSERT_EQ(addresses.size(), 10u);
  EXPECT_EQ(addresses.front(), "10.0.0.9");
  EXPECT_EQ(addresses.back(), "10.0.0.0");
}

TEST_F(R5_4_Access, AFloodOfAddressesIsBoundedAndTheFirstAreKept) {
  const int most = Contacts::kMostOfOne;
  for (int part = 0; part < 3; ++part) {
    std::vector<Entry> entries;
    for (int i = 0; i < most / 2; ++i)
      entries.push_back(entry("one", std::to_string(part * most + i), part * most + i));
    EXPECT_EQ(run(contacts_->write(std::move(entries))).value(), part < 2 ? 0u : static_cast<std::size_t>(most / 2));
  }
  EXPECT_EQ(run(contacts_->write({entry("two", "10.0.0.1", 1)})).value(), 0u) << "others are not touched";
  EXPECT_EQ(read({.instance = "one", .limit = 1}).front().address, "0");
}

TEST_F(R5_4_Access, WhatIsOldIsForgotten) {
  ASSERT_TRUE(run(contacts_->write({entry("one", "a", 1), entry("one", "b", 2), entry("one", "c", 3)})));
  ASSERT_TRUE(run(contacts_->write({entry("one", "a", 50)})));
  EXPECT_EQ(run(contacts_->forget(at(3), 1)).value(), 1u);
  EXPECT_EQ(run(contacts_->forget(at(3), 10)).value(), 0u);
  const auto left = read();
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].address, "a") << "somebody who still comes is kept";
}

}  // namespace
}  // namespace tiltyard::access
