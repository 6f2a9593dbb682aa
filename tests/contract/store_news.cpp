#include <soci/soci.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <chrono>

#include "store_contract.h"

namespace tiltyard::store::contract {
namespace {

using Words = std::vector<std::string>;

/// Hears a channel on a loop of its own. That the way to the database was (re)opened is counted apart.
class Ear {
 public:
  Ear(Store& store, std::string channel) {
    listener_ = store.listen(std::move(channel), loop_.get_executor(), [this](const News& news) {
      if (news.missed) ++missed_;
      else words_.push_back(news.payload);
    });
  }

  /// Waits until it has heard this word, at most ten seconds, and gives all that it has heard.
  const Words& heard_until(const std::string& word) {
    run_until([&] { return !words_.empty() && words_.back() == word; });
    return words_;
  }
  /// Waits until the way to the database has been opened (again) this often.
  void opened(int times) {
    run_until([&] { return missed_ >= times; });
  }
  /// What it has heard by now.
  const Words& heard() {
    loop_.restart();
    loop_.poll();
    return words_;
  }
  void close() { listener_.reset(); }

 private:
  template <class Done>
  void run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    const auto work = asio::make_work_guard(loop_);
    loop_.restart();
    while (!done() && std::chrono::steady_clock::now() < deadline) loop_.run_one_for(std::chrono::milliseconds{100});
  }

  asio::io_context loop_;
  Words words_;
  int missed_ = 0;
  std::unique_ptr<Listener> listener_;
};

auto saying(std::string channel, std::string word) {
  return [channel = std::move(channel), word = std::move(word)](soci::session& sql) -> Result<> {
    notify(sql, channel, word);
    return {};
  };
}

/// An ear that surely hears: what is said through the store comes back.
void settle(Store& store, Ear& ear, const std::string& channel) {
  ASSERT_TRUE(run(store.write(saying(channel, "are you there"))));
  if (store.dialect() == Dialect::kPostgresql) ear.opened(1);
  ASSERT_TRUE(run(store.write(saying(channel, "go"))));
}

Words after_go(const Words& words) {
  const auto go = std::ranges::find(words, "go");
  return go == words.end() ? Words{} : Words(go + 1, words.end());
}

}  // namespace

TEST_P(R14_1, NewsAreToldInTheOrderOfTheCommits) {
  Ear ear(*store_, "letters");
  settle(*store_, ear, "letters");
  for (const char* word : {"a", "b", "c"}) ASSERT_TRUE(run(store_->write(saying("letters", word))));
  auto two = [](soci::session& sql) -> Result<> {
    notify(sql, "letters", "d 'quoted' \\ and ü");
    notify(sql, "letters", "");
    return {};
  };
  ASSERT_TRUE(run(store_->write(two)));
  ASSERT_TRUE(run(store_->write(saying("letters", "end"), Order::kLoose)));
  EXPECT_EQ(after_go(ear.heard_until("end")), (Words{"a", "b", "c", "d 'quoted' \\ and ü", "", "end"}));
}

TEST_P(R14_1, UndoneWritesAndOtherChannelsSayNothing) {
  Ear ear(*store_, "letters"), closed(*store_, "letters");
  settle(*store_, ear, "letters");
  closed.close();
  auto undone = [](soci::session& sql) -> Result<> {
    notify(sql, "letters", "never");
    return fail(Code::kConflict, "no", "No.");
  };
  ASSERT_FALSE(run(store_->write(undone)));
  ASSERT_TRUE(run(store_->write(saying("digits", "1"))));
  ASSERT_TRUE(run(store_->write(saying("letters", "end"))));
  EXPECT_EQ(after_go(ear.heard_until("end")), Words{"end"});
  EXPECT_EQ(std::ranges::count(closed.heard(), "end"), 0);
}

TEST_P(R14_1, AListenerMayOutliveItsStore) {
  Ear ear(*store_, "letters");
  settle(*store_, ear, "letters");
  store_->close();
  reopen();
  ear.close();
}

}  // namespace tiltyard::store::contract
