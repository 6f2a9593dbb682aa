#include "store_contract.h"

#include <soci/soci.h>

#include <atomic>
#include <latch>
#include <set>
#include <stdexcept>
#include <thread>

namespace tiltyard::store::contract {

std::vector<Slice> table_of_entries() {
  return {{"entries",
           {{"entries",
             "CREATE TABLE entries (id BIGINT PRIMARY KEY, text TEXT NOT NULL);\n"
             "CREATE TABLE pairs (id BIGINT PRIMARY KEY, entry BIGINT NOT NULL REFERENCES entries (id) DEFERRABLE "
             "INITIALLY "
             "DEFERRED)"}}}};
}

void StoreSuite::SetUp() {
  url_ = GetParam().fresh();
  reopen();
  const auto migrated = store_->migrate(table_of_entries());
  ASSERT_TRUE(migrated) << migrated.error().message << migrated.error().cause;
}

void StoreSuite::TearDown() {
  store_.reset();
  GetParam().drop(url_);
}

void StoreSuite::reopen() {
  store_.reset();
  auto opened = open(url_);
  ASSERT_TRUE(opened) << opened.error().message << opened.error().cause;
  store_ = std::move(*opened);
}

long long StoreSuite::count(const std::string& table) {
  auto work = [table](soci::session& sql) -> Result<long long> {
    long long rows = 0;
    sql << "SELECT count(*) FROM " << table, soci::into(rows);
    return rows;
  };
  const auto rows = run(store_->read(work));
  return rows ? *rows : -1;
}

namespace {

void insert(soci::session& sql, long long id, const std::string& text = "x") {
  sql << "INSERT INTO entries (id, text) VALUES (:id, :text)", soci::use(id, "id"), soci::use(text, "text");
}

auto inserting(long long id) {
  return [id](soci::session& sql) -> Result<> {
    insert(sql, id);
    return {};
  };
}

/// Several writes that are asked for in this order before the first can be answered.
class Together {
 public:
  explicit Together(Store& store) : store_(store) {}

  template <class Work>
  void add(Work work) {
    const std::size_t place = results_.size();
    results_.emplace_back();
    asio::co_spawn(loop_, store_.write(std::move(work)), [this, place](std::exception_ptr thrown, Result<> result) {
      if (thrown) std::rethrow_exception(thrown);
      results_[place] = std::move(result);
      order_.push_back(place);
      ++answered_;
    });
  }
  /// The answers, in the order of the questions.
  const std::vector<Result<>>& run() {
    loop_.run();
    return results_;
  }
  const std::vector<std::size_t>& order_of_answers() const { return order_; }
  /// May be asked from another thread while it runs.
  std::size_t answered() const { return answered_; }

 private:
  Store& store_;
  asio::io_context loop_;
  std::vector<Result<>> results_;
  std::vector<std::size_t> order_;
  std::atomic<std::size_t> answered_ = 0;
};

}  // namespace

TEST_P(R14_1, AWriteAnswersWithItsValueAndReadsSeeIt) {
  auto writing = [](soci::session& sql) -> Result<std::string> {
    insert(sql, 7, "seven");
    return "done";
  };
  EXPECT_EQ(run(store_->write(writing)).value(), "done");
  auto reading = [](soci::session& sql) -> Result<std::string> {
    std::string text;
    sql << "SELECT text FROM entries WHERE id = 7", soci::into(text);
    return text;
  };
  EXPECT_EQ(run(store_->read(reading)).value(), "seven");
}

TEST_P(R14_1, AnErrorUndoesAllOfAWrite) {
  auto failing = [](soci::session& sql) -> Result<> {
    insert(sql, 1);
    insert(sql, 2);
    return fail(Code::kConflict, "no-such-luck", "No.");
  };
  const auto result = run(store_->write(failing));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "no-such-luck");
  EXPECT_EQ(result.error().code, Code::kConflict);
  EXPECT_EQ(count(), 0);
}

TEST_P(R14_1, AnExceptionUndoesAllOfAWriteAndIsStoreFailed) {
  auto by_library = [](soci::session& sql) -> Result<> {
    insert(sql, 1);
    insert(sql, 1);  // the same key twice
    return {};
  };
  auto by_us = [](soci::session& sql) -> Result<> {
    insert(sql, 2);
    throw std::runtime_error("the cause");
  };
  auto of_no_type = [](soci::session& sql) -> Result<> {
    insert(sql, 3);
    throw 42;
  };
  Together writes(*store_);
  writes.add(by_library);
  writes.add(by_us);
  writes.add(of_no_type);
  const auto& results = writes.run();
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, "store-failed");
    EXPECT_FALSE(result.error().cause.empty());
  }
  EXPECT_NE(results[1].error().cause.find("the cause"), std::string::npos);
  EXPECT_EQ(results[1].error().message.find("the cause"), std::string::npos) << "a cause is not for the outside";
  EXPECT_EQ(count(), 0);
}

TEST_P(R14_1, OneBadWriteInAGroupDoesNotHurtTheOthers) {
  Together writes(*store_);
  for (long long id = 0; id < 100; ++id) {
    writes.add([id](soci::session& sql) -> Result<> {
      insert(sql, id);
      if (id % 3 == 0) return fail(Code::kInvalid, "bad", "Bad.");
      if (id % 3 == 1) insert(sql, id);
      return {};
    });
  }
  const auto& results = writes.run();
  for (std::size_t id = 0; id < results.size(); ++id) EXPECT_EQ(results[id].has_value(), id % 3 == 2) << id;
  EXPECT_EQ(count(), 33);
}

/// A deferred constraint is broken only when the group commits.
TEST_P(R14_1, AConstraintThatSpeaksUpAtTheCommitHurtsItsOwnerOnly) {
  Together writes(*store_);
  for (long long id = 0; id < 10; ++id) {
    writes.add([id](soci::session& sql) -> Result<> {
      if (id != 4) insert(sql, id);
      sql << "INSERT INTO pairs (id, entry) VALUES (:id, :entry)", soci::use(id, "id"), soci::use(id, "entry");
      return {};
    });
  }
  const auto& results = writes.run();
  for (std::size_t id = 0; id < results.size(); ++id) EXPECT_EQ(results[id].has_value(), id != 4) << id;
  EXPECT_EQ(count(), 9);
  EXPECT_EQ(count("pairs"), 9);
}

TEST_P(R14_1, WritesRunAndAnswerInTheirOrder) {
  Together writes(*store_);
  for (long long id = 0; id < 500; ++id) {
    writes.add([id](soci::session& sql) -> Result<> {
      long long before = 0;
      sql << "SELECT count(*) FROM entries", soci::into(before);
      if (before != id) return fail(Code::kInternal, "out-of-order", std::to_string(before));
      insert(sql, id);
      return {};
    });
  }
  for (const auto& result : writes.run()) EXPECT_TRUE(result);
  std::vector<std::size_t> expected(500);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i;
  EXPECT_EQ(writes.order_of_answers(), expected);
}

TEST_P(R14_1, AReadSeesOneSnapshotWhileWritesGoOn) {
  ASSERT_TRUE(run(store_->write(inserting(1))));
  std::latch first_count_done(1), written(1);
  auto reading = [&](soci::session& sql) -> Result<std::pair<long long, long long>> {
    long long before = 0, after = 0;
    sql << "SELECT count(*) FROM entries", soci::into(before);
    first_count_done.count_down();
    written.wait();
    sql << "SELECT count(*) FROM entries", soci::into(after);
    return std::pair{before, after};
  };
  Result<std::pair<long long, long long>> seen;
  std::thread reader([&] { seen = run(store_->read(reading)); });
  first_count_done.wait();
  EXPECT_TRUE(run(store_->write(inserting(2)))) << "a reader must not hold a writer up";
  EXPECT_EQ(count(), 2) << "another reader sees the new row";
  written.count_down();
  reader.join();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->first, 1);
  EXPECT_EQ(seen->second, 1);
}

TEST_P(R14_1, AReaderNeverSeesHalfOfAWrite) {
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (long long id = 0; id < 300; id += 2) {
      auto two = [id](soci::session& sql) -> Result<> {
        insert(sql, id);
        insert(sql, id + 1);
        return {};
      };
      EXPECT_TRUE(run(store_->write(two)));
    }
    done = true;
  });
  do { EXPECT_EQ(count() % 2, 0); } while (!done);
  writer.join();
  EXPECT_EQ(count(), 300);
}

TEST_P(R14_1, AReadCannotWrite) {
  const auto result = run(store_->read(inserting(1)));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "store-failed");
  EXPECT_EQ(count(), 0);
}

TEST_P(R14_1, WorkDoesNotOwnItsTransaction) {
  for (const char* statement : {"COMMIT", "ROLLBACK", "BEGIN"}) {
    auto meddling = [statement](soci::session& sql) -> Result<> {
      insert(sql, 1);
      sql << statement;
      return {};
    };
    Together writes(*store_);
    writes.add(inserting(2));
    writes.add(meddling);
    const auto& results = writes.run();
    EXPECT_TRUE(results[0]) << statement;
    ASSERT_FALSE(results[1]) << statement;
    EXPECT_EQ(results[1].error().reason, "store-failed");
    EXPECT_EQ(count(), 1) << statement;
    auto clear = [](soci::session& sql) -> Result<> {
      sql << "DELETE FROM entries";
      return {};
    };
    ASSERT_TRUE(run(store_->write(clear)));
  }
}

TEST_P(R14_1, AnswersComeBackOnTheCallersThread) {
  asio::io_context loop;
  std::thread::id answered;
  asio::co_spawn(loop, store_->write(inserting(1)),
                 [&](std::exception_ptr, Result<>) { answered = std::this_thread::get_id(); });
  loop.run();
  EXPECT_EQ(answered, std::this_thread::get_id());
}

TEST_P(R14_1, TooMuchWaitingWorkIsRefusedAtOnce) {
  std::latch started(1), go_on(1);
  Together writes(*store_);
  writes.add([&](soci::session&) -> Result<> {
    started.count_down();
    go_on.wait();
    return {};
  });
  // Of 11,101 the writer holds at most one group of 1,024, and 10,000 may wait.
  constexpr long long kWrites = 11'100;
  for (long long id = 0; id < kWrites; ++id) writes.add(inserting(id));
  std::thread loop([&] { writes.run(); });
  started.wait();
  while (writes.answered() < 50) std::this_thread::yield();  // while the writer is held, only refusals can be answers
  go_on.count_down();
  loop.join();
  long long refused = 0;
  for (const auto& result : writes.run()) {
    if (result) continue;
    EXPECT_EQ(result.error().reason, "store-busy");
    EXPECT_EQ(result.error().code, Code::kUnavailable);
    ++refused;
  }
  EXPECT_GE(refused, 50);
  EXPECT_EQ(count(), kWrites - refused);
}

TEST_P(R14_1, CloseFinishesWhatWaitsAndRefusesTheRest) {
  std::latch started(1), go_on(1);
  asio::io_context loop;
  std::vector<Result<>> results;
  const auto keep = [&](std::exception_ptr, Result<> result) { results.push_back(std::move(result)); };
  auto slow = [&](soci::session& sql) -> Result<> {
    started.count_down();
    go_on.wait();
    insert(sql, 0);
    return {};
  };
  asio::co_spawn(loop, store_->write(slow), keep);
  for (long long id = 1; id <= 20; ++id) asio::co_spawn(loop, store_->write(inserting(id)), keep);
  loop.poll();
  started.wait();
  std::thread closer([&] { store_->close(); });
  go_on.count_down();
  closer.join();
  loop.run();
  ASSERT_EQ(results.size(), 21U);
  for (const auto& result : results) EXPECT_TRUE(result);
  const auto late = run(store_->write(inserting(99)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "shutting-down");
  EXPECT_EQ(run(store_->read(inserting(99))).error().reason, "shutting-down");
  store_->close();  // twice is once
  reopen();
  EXPECT_EQ(count(), 21);
}

TEST_P(R14_1, CheckWrites) {
  EXPECT_TRUE(run(store_->check()));
  EXPECT_TRUE(run(store_->check()));
  store_->close();
  EXPECT_EQ(run(store_->check()).error().reason, "shutting-down");
}

TEST_P(R15_3, MigrationsAreAppliedOnceAndInOrder) {
  auto more = table_of_entries();
  more.push_back({"others",
                  {{"others", "CREATE TABLE other (id BIGINT PRIMARY KEY);\nINSERT INTO other (id) VALUES (1)"},
                   {"second of others", "INSERT INTO other (id) VALUES (2)"}}});
  EXPECT_TRUE(store_->migrate(more));
  EXPECT_TRUE(store_->migrate(more));
  EXPECT_EQ(count("other"), 2);
  more[0].migrations.emplace_back("a slice grows", "INSERT INTO entries (id, text) SELECT id, 'from other' FROM other");
  EXPECT_TRUE(store_->migrate(more));
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(count("schema_steps"), 4);
}

/// Those that had numbers of all run in the order of those: they were written for it.
TEST_P(R15_3, NumbersOfBeforeGoFirstAndInTheirOrder) {
  auto more = table_of_entries();
  more.push_back({"late", {{300, "late", "INSERT INTO other (id) VALUES (7)"}}});
  more.push_back({"early", {{200, "early", "CREATE TABLE other (id BIGINT PRIMARY KEY)"}}});
  const auto done = store_->migrate(more);
  ASSERT_TRUE(done) << done.error().message << done.error().cause;
  EXPECT_EQ(count("other"), 1);
}

/// A database of before knows migrations by numbers of all. It is taken over, and a server of then is kept out.
TEST_P(R15_3, ADatabaseThatNumberedAllTogetherIsTakenOver) {
  const std::vector<Slice> now = {
      {"one", {{1, "one", "CREATE TABLE one (id BIGINT)"}, {2, "grown", "CREATE TABLE grown (id BIGINT)"}}},
      {"two", {{100, "two", "CREATE TABLE two (id BIGINT)"}, {"new", "INSERT INTO two (id) VALUES (1)"}}}};
  const auto as_before = [&](const std::string& rows) {
    store_.reset();
    GetParam().drop(url_);
    url_ = GetParam().fresh();
    reopen();
    auto work = [rows](soci::session& sql) -> Result<> {
      sql << "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at "
             "BIGINT NOT NULL)";
      sql << "CREATE TABLE one (id BIGINT)";
      sql << "CREATE TABLE two (id BIGINT)";
      sql << "INSERT INTO schema_migrations (number, name, applied_at) VALUES " + rows;
      return {};
    };
    const auto made = run(store_->write(work));
    ASSERT_TRUE(made) << made.error().message << made.error().cause;
  };
  as_before("(1, 'one', 5), (100, 'two', 6)");
  for (int round = 0; round < 2; ++round) {
    const auto taken = store_->migrate(now);
    ASSERT_TRUE(taken) << taken.error().message << taken.error().cause;
  }
  EXPECT_EQ(count("schema_steps"), 4);
  EXPECT_EQ(count("schema_steps WHERE slice = 'two' AND number = 1 AND applied_at = 6"), 1);
  EXPECT_EQ(count("two"), 1) << "what was missing, once";
  EXPECT_EQ(count("schema_migrations"), 1) << "a number that no server of then knows";
  as_before("(1, 'one', 5), (101, 'from the future', 6)");
  EXPECT_EQ(store_->migrate(now).error().reason, "schema-newer");
  EXPECT_EQ(count("schema_migrations"), 2) << "left as it was";
  as_before("(1, 'another', 5)");
  EXPECT_EQ(store_->migrate(now).error().reason, "schema-mismatch");
}

/// From every earlier version, with data in it, to the newest.
TEST_P(R15_3, EveryEarlierVersionUpgrades) {
  const std::vector<Migration> versions = {
      {"one", "CREATE TABLE v (id BIGINT PRIMARY KEY);\nINSERT INTO v (id) VALUES (1)"},
      {"two", "ALTER TABLE v ADD COLUMN name TEXT NOT NULL DEFAULT 'old';\nINSERT INTO v (id, name) VALUES (2, 'new')"},
      {"three",
       "CREATE TABLE w (id BIGINT PRIMARY KEY, v BIGINT NOT NULL REFERENCES v (id));\n"
       "INSERT INTO w (id, v) SELECT id, id FROM v"},
      {"four",
       "CREATE TABLE v2 (id BIGINT PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO v2 SELECT id, name FROM v;\n"
       "DROP TABLE w;\nDROP TABLE v;\nALTER TABLE v2 RENAME TO v"}};
  for (std::size_t from = 0; from <= versions.size(); ++from) {
    const std::string url = GetParam().fresh();
    auto old_store = open(url);
    ASSERT_TRUE(old_store);
    ASSERT_TRUE(
        (*old_store)->migrate({{"v", {versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(from)}}}));
    old_store->reset();
    store_ = std::move(*open(url));
    const auto upgraded = store_->migrate({{"v", versions}});
    ASSERT_TRUE(upgraded) << "from " << from << ": " << upgraded.error().message << upgraded.error().cause;
    EXPECT_EQ(count("v"), 2) << from;
    store_.reset();
    GetParam().drop(url);
  }
}

TEST_P(R15_3, ANewerSchemaIsRefused) {
  auto newer = table_of_entries();
  newer[0].migrations.emplace_back("from the future", "CREATE TABLE future (id BIGINT)");
  ASSERT_TRUE(store_->migrate(newer));
  const auto refused = store_->migrate(table_of_entries());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "schema-newer");
  EXPECT_NE(refused.error().message.find("entries 2 (\"from the future\")"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(store_->migrate({}).error().reason, "schema-newer") << "a whole part that we do not know";
}

TEST_P(R15_3, RenamesAndDoublesAreRefused) {
  const auto reason = [&](const std::vector<Slice>& slices) { return store_->migrate(slices).error().reason; };
  const auto first = table_of_entries().front();
  const Migration old(1, "old", "SELECT 1");
  EXPECT_EQ(reason({{"entries", {{"renamed", "SELECT 1"}}}}), "schema-mismatch");
  EXPECT_EQ(reason({first, first}), "migration-invalid");
  EXPECT_EQ(reason({first, {"a", {old}}, {"b", {old}}}), "migration-invalid");
  EXPECT_EQ(reason({first, {"a", {{"young", "SELECT 1"}, old}}}), "migration-invalid");
  EXPECT_EQ(reason({first, {"a", {{"", "SELECT 1"}}}}), "migration-invalid");
  EXPECT_EQ(reason({first, {"", {{"nobody's", "SELECT 1"}}}}), "migration-invalid");
  EXPECT_EQ(count("schema_steps"), 1);
}

TEST_P(R15_3, AFailedMigrationLeavesTheDatabaseAsItWas) {
  auto bad = table_of_entries();
  auto& steps = bad[0].migrations;
  steps.emplace_back("good", "INSERT INTO entries (id, text) VALUES (1, 'x')");
  steps.emplace_back("bad", "INSERT INTO entries (id, text) VALUES (2, 'x');\nCREATE TABLE oops (;\nSELECT 1");
  const auto failed = store_->migrate(bad);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, "migration-failed");
  EXPECT_NE(failed.error().message.find("Migration entries 3"), std::string::npos) << failed.error().message;
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(count("schema_steps"), 2);
  steps[2].sql = "INSERT INTO entries (id, text) VALUES (2, 'x')";
  EXPECT_TRUE(store_->migrate(bad));
  EXPECT_EQ(count(), 2);
}

TEST_P(R15_3, AMigrationThatLeavesDanglingRowsFails) {
  auto bad = table_of_entries();
  bad[0].migrations.emplace_back("dangling", "INSERT INTO pairs (id, entry) VALUES (1, 77)");
  EXPECT_EQ(store_->migrate(bad).error().reason, "migration-failed");
  EXPECT_EQ(count("pairs"), 0);
}

/// Two servers that start at the same moment on one database.
TEST_P(R15_3, TwoMigrateAtOnceAndBothSucceed) {
  const std::string url = GetParam().fresh();
  std::vector<Migration> many;
  for (int n = 1; n <= 20; ++n)
    many.emplace_back("m" + std::to_string(n), "CREATE TABLE m" + std::to_string(n) + " (id BIGINT)");
  auto one = open(url), two = open(url);
  ASSERT_TRUE(one && two);
  Result<> of_one, of_two;
  std::thread other([&] { of_one = (*one)->migrate({{"m", many}}); });
  of_two = (*two)->migrate({{"m", many}});
  other.join();
  EXPECT_TRUE(of_one) << of_one.error().message << of_one.error().cause;
  EXPECT_TRUE(of_two) << of_two.error().message << of_two.error().cause;
  one->reset();
  two->reset();
  GetParam().drop(url);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(R14_1);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(R1_13);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(R15_3);

}  // namespace tiltyard::store::contract
