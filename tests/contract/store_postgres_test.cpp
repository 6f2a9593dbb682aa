#include <libpq-fe.h>
#include <soci/soci.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "postgres_cluster.h"
#include "store_contract.h"

namespace tiltyard::store::contract {
namespace {

using namespace std::chrono_literals;

PostgresCluster& cluster() { return PostgresCluster::shared(); }

const Backend kPostgres{"PostgreSQL", [] { return cluster().fresh(); },
                        [](const std::string& url) { cluster().drop(url); }};

auto inserting(long long id) {
  return [id](soci::session& sql) -> Result<> {
    sql << "INSERT INTO entries (id, text) VALUES (:id, 'x')", soci::use(id, "id");
    sql << "INSERT INTO pairs (id, entry) VALUES (:id, :entry)", soci::use(id, "id"), soci::use(id, "entry");
    return {};
  };
}

/// Waits until it is so, at most ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(PostgreSQL, R14_1, testing::Values(kPostgres), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(PostgreSQL, R1_13, testing::Values(kPostgres), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(PostgreSQL, R15_3, testing::Values(kPostgres), testing::PrintToStringParamName());

/// What only PostgreSQL promises; the fixtures are the contract's.
class R14_1_Postgres : public StoreSuite {
 protected:
  std::string database() const { return url_.substr(url_.rfind('/') + 1); }
  /// Ends the server's side of our connections, as an operator or a fail-over does.
  void end_connections(const std::string& which = "true") {
    cluster().ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '" + database() +
                  "' AND (" + which + ")");
  }
  std::unique_ptr<Store> another() {
    auto opened = open(url_);
    EXPECT_TRUE(opened) << opened.error().message << opened.error().cause;
    return opened ? std::move(*opened) : nullptr;
  }
};
class R1_13_Postgres : public R14_1_Postgres {};
INSTANTIATE_TEST_SUITE_P(PostgreSQL, R14_1_Postgres, testing::Values(kPostgres), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(PostgreSQL, R1_13_Postgres, testing::Values(kPostgres), testing::PrintToStringParamName());

namespace {

/// Writers that go on until they are told to stop, whatever they are answered.
class Load {
 public:
  Load(Store& store, int writers) {
    for (int writer = 0; writer < writers; ++writer) {
      threads_.emplace_back([this, &store, writer, writers] {
        for (long long id = writer; !stop_; id += writers) {
          const auto order = id % 2 == 0 ? Order::kStrict : Order::kLoose;
          const auto written = run(store.write(inserting(id), order));
          const std::lock_guard lock(mutex_);
          if (written) answered_.push_back(id);
          else ++failures_[written.error().reason];
        }
      });
    }
  }
  void stop() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }
  ~Load() { stop(); }

  std::size_t answered() {
    const std::lock_guard lock(mutex_);
    return answered_.size();
  }
  /// After `stop`.
  const std::vector<long long>& ids() const { return answered_; }
  const std::map<std::string, int>& failures() const { return failures_; }

 private:
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::vector<long long> answered_;
  std::map<std::string, int> failures_;
  std::vector<std::thread> threads_;
};

}  // namespace

/// Every connection is cut again and again: no write fails, none happens twice (the ids are keys), none is lost.
TEST_P(R1_13_Postgres, CutConnectionsAreOpenedAnewAndNobodyNotices) {
  Load load(*store_, 8);
  for (int round = 0; round < 10; ++round) {
    const auto before = load.answered();
    ASSERT_TRUE(eventually([&] { return load.answered() > before + 20; })) << "round " << round;
    end_connections();
    EXPECT_GE(count(), 0) << "a read neither";
  }
  load.stop();
  for (const auto& [reason, times] : load.failures()) ADD_FAILURE() << reason << " " << times << " times";
  EXPECT_EQ(count(), static_cast<long long>(load.ids().size()));
  EXPECT_EQ(count("pairs"), count());
}

/// SIGKILL of the whole database server under load, and a new one on what it left.
TEST_P(R1_13_Postgres, KillingPostgresLosesNothingAnsweredAndItGoesOnByItself) {
  Load load(*store_, 8);
  for (int round = 0; round < 3; ++round) {
    const auto before = load.answered();
    ASSERT_TRUE(eventually([&] { return load.answered() > before + 50; })) << "round " << round;
    cluster().kill9();
    cluster().start();
  }
  const auto before = load.answered();
  EXPECT_TRUE(eventually([&] { return load.answered() > before + 50; }));
  load.stop();
  auto reading = [](soci::session& sql) -> Result<std::set<long long>> {
    std::set<long long> ids;
    long long id = 0;
    soci::statement rows = (sql.prepare << "SELECT id FROM entries", soci::into(id));
    rows.execute();
    while (rows.fetch()) ids.insert(id);
    return ids;
  };
  const auto there = run(store_->read(reading)).value();
  for (const long long id : load.ids()) ASSERT_TRUE(there.contains(id)) << "lost " << id;
  EXPECT_EQ(count("pairs"), static_cast<long long>(there.size())) << "half of a write";
  // What was answered with an error is not there either, but for what was honestly called unsure.
  const auto found = load.failures().find("store-unsure");
  EXPECT_LE(there.size(),
            load.ids().size() + static_cast<std::size_t>(found == load.failures().end() ? 0 : found->second));
}

/// PostgreSQL is killed before anything of the transaction is on disk, and gives its number to others afterwards: their
/// commit is not ours.
TEST_P(R1_13_Postgres, AnothersCommitIsNotTakenForOurs) {
  for (long long id = 1; id <= 3; ++id) {
    std::promise<void> open, dead;
    int runs = 0;
    auto work = [&](soci::session& sql) {
      auto done = inserting(id)(sql);
      if (++runs > 1) return done;
      open.set_value();
      dead.get_future().wait();
      return done;
    };
    Result<> written;
    std::thread writer([&] { written = run(store_->write(work)); });
    open.get_future().wait();
    cluster().kill9();  // of this thread: PostgreSQL ends with the one that started it
    cluster().start();
    for (int other = 0; other < 20; ++other) cluster().ask("SELECT pg_current_xact_id()");
    dead.set_value();
    writer.join();
    ASSERT_TRUE(written) << written.error().message;
    ASSERT_EQ(count(), id) << "answered, and not there";
  }
}

/// The transaction is on disk, but the connection breaks before PostgreSQL says so: it must be neither lost nor run
/// again.
TEST_P(R1_13_Postgres, ACommitWhoseAnswerWasLostIsFoundOut) {
  ASSERT_TRUE(run(store_->check()));  // the connection is there before commits begin to wait
  cluster().ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  cluster().ask("SELECT pg_reload_conf()");
  std::atomic<int> runs = 0, asked = 0;
  std::atomic<bool> enough = false;
  Result<> written;
  std::thread writer([&] {
    // The server takes a moment to take the setting in; until then commits pass.
    while (written && !enough) {
      auto work = [&, number = ++asked](soci::session& sql) {
        ++runs;
        return inserting(number)(sql);
      };
      written = run(store_->write(work));
    }
  });
  const bool waits = eventually(
      [&] { return cluster().ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"; });
  enough = true;
  end_connections("wait_event = 'SyncRep'");
  writer.join();
  cluster().ask("ALTER SYSTEM RESET synchronous_standby_names");
  cluster().ask("SELECT pg_reload_conf()");
  EXPECT_TRUE(waits);
  EXPECT_TRUE(written) << written.error().reason << written.error().cause;
  EXPECT_EQ(runs, asked);
  EXPECT_EQ(count(), asked);
}

TEST_P(R14_1_Postgres, AnOutageIsAnErrorInSecondsAndThenItGoesOn) {
  ASSERT_TRUE(run(store_->write(inserting(1))));
  cluster().kill9();
  const auto begun = std::chrono::steady_clock::now();
  const auto failed = run(store_->write(inserting(2)));
  EXPECT_EQ(run(store_->check()).error().code, Code::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
  cluster().start();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, "store-failed");
  EXPECT_EQ(failed.error().code, Code::kUnavailable);
  EXPECT_FALSE((failed.error().message + failed.error().cause).contains(PostgresCluster::kPassword));
  EXPECT_TRUE(run(store_->write(inserting(2))));
  EXPECT_EQ(count(), 2);
}

TEST_P(R14_1_Postgres, ARestartOfTheDatabaseIsWaitedFor) {
  ASSERT_TRUE(run(store_->write(inserting(1))));
  cluster().kill9();
  Result<> written;
  std::thread writer([&] { written = run(store_->write(inserting(2))); });
  cluster().start();
  writer.join();
  EXPECT_TRUE(written) << written.error().message << written.error().cause;
  EXPECT_EQ(count(), 2);
}

TEST_P(R14_1_Postgres, AFullConnectionLimitIsARefusalUntilThereIsRoom) {
  std::vector<PGconn*> others;
  const auto free_all = [&] {
    for (auto* other : others) PQfinish(other);
    others.clear();
  };
  ASSERT_TRUE(run(store_->write(inserting(1)))) << "this one has its connection already";
  while (others.size() < 100) {
    others.push_back(PQconnectdb(url_.c_str()));
    if (PQstatus(others.back()) != CONNECTION_OK) break;
  }
  EXPECT_TRUE(run(store_->write(inserting(2))));
  const auto refused = run(store_->write(inserting(3), Order::kLoose));
  free_all();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_TRUE(eventually([&] { return run(store_->write(inserting(3), Order::kLoose)).has_value(); }));
  EXPECT_EQ(count(), 3);
}

TEST_P(R14_1_Postgres, SlowStatementsAndLocksAreStoreBusy) {
  auto slow = [](soci::session& sql) -> Result<> {
    sql << "SET LOCAL statement_timeout TO '100ms'";
    sql << "SELECT pg_sleep(60)";
    return {};
  };
  for (const auto order : {Order::kStrict, Order::kLoose}) {
    const auto result = run(store_->write(slow, order));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, "store-busy") << result.error().cause;
    EXPECT_EQ(result.error().code, Code::kUnavailable);
  }
  EXPECT_EQ(run(store_->read(slow)).error().reason, "store-busy");
  EXPECT_TRUE(run(store_->write(inserting(1))));
}

TEST_P(R14_1_Postgres, TextThatCannotBeKeptIsTheCallersFault) {
  auto odd = [](soci::session& sql) -> Result<> {
    const std::string text = "\xff\xfe";
    sql << "INSERT INTO entries (id, text) VALUES (1, :text)", soci::use(text, "text");
    return {};
  };
  const auto result = run(store_->write(odd));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "store-text");
  EXPECT_EQ(result.error().code, Code::kInvalid);
}

/// Two servers' loose writes lock the same rows in opposite orders: PostgreSQL ends one of them, and it runs again.
TEST_P(R14_1_Postgres, ADeadlockIsRunAgain) {
  for (const long long id : {1, 2}) ASSERT_TRUE(run(store_->write(inserting(id))));
  const auto two = another();
  std::atomic<int> met = 0;
  const auto crossing = [&met](long long first, long long second) {
    return [&met, first, second](soci::session& sql) -> Result<> {
      sql << "UPDATE entries SET text = text || 'y' WHERE id = :id", soci::use(first, "id");
      ++met;
      eventually([&] { return met >= 2; });
      sql << "UPDATE entries SET text = text || 'z' WHERE id = :id", soci::use(second, "id");
      return {};
    };
  };
  Result<> of_one, of_two;
  std::thread other([&] { of_one = run(store_->write(crossing(1, 2), Order::kLoose)); });
  of_two = run(two->write(crossing(2, 1), Order::kLoose));
  other.join();
  EXPECT_TRUE(of_one) << of_one.error().cause;
  EXPECT_TRUE(of_two) << of_two.error().cause;
  EXPECT_GE(met, 3) << "one of them ran twice";
  EXPECT_EQ(cluster().ask("SELECT sum(length(text)) FROM entries", database()), "6") << "each change once";
}

/// What a strict write has read still holds at its commit, also beside another server's.
TEST_P(R14_1_Postgres, StrictWritesOfTwoServersRunOneAfterTheOther) {
  ASSERT_TRUE(run(store_->write(inserting(0))));
  const auto two = another();
  auto add_one = [](soci::session& sql) -> Result<> {
    long long next = 0;
    sql << "SELECT max(id) + 1 FROM entries", soci::into(next);
    return inserting(next)(sql);
  };
  const auto many = [&](Store& store) {
    for (int i = 0; i < 100; ++i) {
      const auto written = run(store.write(add_one));
      EXPECT_TRUE(written) << written.error().cause;
    }
  };
  std::thread other([&] { many(*two); });
  many(*store_);
  other.join();
  EXPECT_EQ(count(), 201);
}

TEST_P(R14_1_Postgres, RowsAreClaimedOnceByServersThatClaimAtTheSameMoment) {
  for (long long id = 0; id < 200; ++id) ASSERT_TRUE(run(store_->write(inserting(id), Order::kLoose)));
  auto claim = [](soci::session& sql) -> Result<long long> {
    soci::statement query =
        (sql.prepare << "UPDATE entries SET text = text || '!' WHERE id IN (SELECT id FROM entries WHERE text = 'x' "
                        "ORDER BY id LIMIT 7"
                     << skip_locked(sql) << ")");
    query.execute(true);
    return query.get_affected_rows();
  };
  const auto two = another();
  std::atomic<long long> claimed = 0;
  const auto claim_all = [&](Store& store) {
    while (true) {
      const auto got = run(store.write(claim, Order::kLoose));
      if (!got) ADD_FAILURE() << got.error().cause;
      if (!got || *got == 0) return;
      claimed += *got;
    }
  };
  std::thread other([&] { claim_all(*two); });
  claim_all(*store_);
  other.join();
  EXPECT_EQ(claimed, 200);
  EXPECT_EQ(cluster().ask("SELECT count(*) FROM entries WHERE text <> 'x!'", database()), "0");
}

TEST_P(R14_1_Postgres, AClaimIsHeldByOneServerAndPassesOnWhenItEnds) {
  ASSERT_TRUE(store_->claim([] { ADD_FAILURE() << "nobody else is there"; }));
  auto two = another();
  const auto refused = two->claim([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "store-claimed");
  EXPECT_NE(refused.error().message.find("tiltyard "), std::string::npos) << "it says who: " << refused.error().message;
  EXPECT_FALSE(refused.error().message.contains("s3cret")) << refused.error().message;
  EXPECT_TRUE(run(two->write(inserting(1)))) << "without a claim one may still write";
  store_->close();
  const auto taken = two->claim([] {});
  EXPECT_TRUE(taken) << taken.error().message;
  EXPECT_TRUE(run(two->write(inserting(2))));
}

/// A server that was cut off for long enough that another took over gets no further write in.
TEST_P(R14_1_Postgres, AClaimThatWasTakenOverFencesTheOldServer) {
  std::atomic<int> lost = 0;
  ASSERT_TRUE(store_->claim([&] { ++lost; }));
  end_connections();
  EXPECT_TRUE(run(store_->write(inserting(1)))) << "cut connections alone are not the end of a claim";
  cluster().ask("UPDATE store_claim SET term = term + 1", database());  // what a server that takes over does first
  const auto fenced = run(store_->write(inserting(2)));
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().reason, "store-claimed");
  EXPECT_TRUE(eventually([&] {
    end_connections("query LIKE '%store_claim%' OR query LIKE '%advisory%'");
    return lost == 1;
  }));
  EXPECT_EQ(count(), 1);
}

TEST_P(R14_1_Postgres, AServerHearsAnotherAndWhatItMayHaveMissed) {
  const auto two = another();
  asio::io_context loop;
  std::vector<std::string> words;
  int missed = 0;
  auto listener = store_->listen("letters", loop.get_executor(), [&](const News& news) {
    if (news.missed) ++missed;
    else words.push_back(news.payload);
  });
  const auto work = asio::make_work_guard(loop);
  const auto until = [&](auto condition) {
    return eventually([&] {
      loop.run_for(5ms);
      return condition();
    });
  };
  ASSERT_TRUE(until([&] { return missed == 1; })) << "it says when it begins to hear";
  auto saying = [](soci::session& sql) -> Result<> {
    notify(sql, "letters", "a");
    return {};
  };
  ASSERT_TRUE(run(two->write(saying)));
  EXPECT_TRUE(until([&] { return words == std::vector<std::string>{"a"}; }));
  end_connections("query LIKE 'LISTEN%'");
  EXPECT_TRUE(until([&] { return missed == 2; })) << "the connection was away: something may have been said";
  ASSERT_TRUE(run(two->write(saying)));
  EXPECT_TRUE(until([&] { return words.size() == 2; }));
}

TEST_P(R14_1_Postgres, BackUpsAreTheDatabasesOwn) {
  EXPECT_EQ(run(store_->backup("/tmp/never")).error().reason, "store-unsupported");
}

TEST_P(R14_1_Postgres, WrongUrlsAndPasswordsAreRefusedWithoutShowingAny) {
  for (const char* url : {"postgresql://a:s3cret%@db/x", "postgresql://a:s3cret@db/x?bogus=1"}) {
    const auto refused = open(url);
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().reason, "store-url") << url;
    EXPECT_FALSE((refused.error().message + refused.error().cause).contains("s3cret"));
  }
  std::string wrong = url_;
  wrong.replace(wrong.find("s3cret"), 6, "n0ne");
  const auto refused = open(wrong);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "store-unopened");
  EXPECT_NE(refused.error().cause.find("password authentication failed"), std::string::npos) << refused.error().cause;
  EXPECT_FALSE((refused.error().message + refused.error().cause).contains("n0ne"));
}

}  // namespace tiltyard::store::contract
