#include "realtime/history.h"

#include <gtest/gtest.h>
#include <soci/soci.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <filesystem>

#include "bus/event_log.h"
#include "net/loops.h"

namespace tiltyard::realtime {
namespace {

namespace fs = std::filesystem;

constexpr bus::EventKind kRunning{.name = "instance.running", .prose = "An instance runs."};
constexpr const bus::EventKind* kKinds[] = {&kRunning};

class R9_1_History : public testing::Test {
 protected:
  R9_1_History() : folder_(fs::temp_directory_path() / ("tiltyard-rooms-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    store_ = std::move(*store::open("sqlite:" + (folder_ / "test.db").string()));
    EXPECT_TRUE(store_->migrate({{"bus", bus::migrations()}, {"realtime", migrations()}}));
    EXPECT_TRUE(kinds_.add("labs", kKinds));
  }
  ~R9_1_History() override {
    store_->close();
    loops_.stop();
    fs::remove_all(folder_);
  }

  template <class Work>
  auto write(Work work) {
    return asio::co_spawn(loops_.home(), store_->write(std::move(work)), asio::use_future).get();
  }

  void record(const std::string& owner, int count) {
    const auto done = write([=](soci::session& sql) -> Result<> {
      for (int i = 0; i < count; ++i) {
        bus::Event event;
        event.kind = kRunning;
        event.owner = owner;
        if (auto written = bus::record(sql, event); !written) return written;
      }
      return {};
    });
    ASSERT_TRUE(done);
  }

  Said say(const std::string& room, std::size_t keep) {
    return *write([=](soci::session& sql) -> Result<Said> {
      Said said;
      said.room = room;
      said.body = "x";
      return sql::say(sql, said, keep);
    });
  }

  /// How many there are between; -1: not complete.
  int logged(LogFilter filter, long long after, long long until, int limit = 100) {
    return *write([=, this](soci::session& sql) -> Result<int> {
      const auto rows = sql::logged_between(sql, kinds_, filter, after, until, limit);
      return rows ? static_cast<int>(rows->size()) : -1;
    });
  }

  int said(const std::string& room, long long after, long long until, int limit = 100) {
    return *write([=](soci::session& sql) -> Result<int> {
      const auto rows = sql::said_between(sql, room, after, until, limit);
      return rows ? static_cast<int>(rows->size()) : -1;
    });
  }

  fs::path folder_;
  net::Loops loops_{1};
  bus::Kinds kinds_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(R9_1_History, TheLogHasWhatARoomHasMissedOrSaysThatItHasNot) {
  record("ann", 5);
  record("bob", 3);
  EXPECT_EQ(logged({"instance.", "ann"}, 0, 8), 5);
  EXPECT_EQ(logged({"instance.", "ann"}, 2, 4), 2);
  EXPECT_EQ(logged({"instance.", ""}, 0, 8), 8);
  EXPECT_EQ(logged({"user.", ""}, 0, 8), 0);
  EXPECT_EQ(logged({"instance.", "ann"}, 8, 8), 0);
  EXPECT_EQ(logged({"instance.", "ann"}, 9, 9), -1) << "ahead of the log";
  EXPECT_EQ(logged({"instance.", "ann"}, 0, 8, 4), -1) << "more than is given back";
  ASSERT_TRUE(write([](soci::session& sql) -> Result<> {
    sql << "DELETE FROM events WHERE seq <= 3";
    return {};
  }));
  EXPECT_EQ(logged({"instance.", "bob"}, 2, 8), -1) << "some of it was removed";
  EXPECT_EQ(logged({"instance.", "bob"}, 3, 8), 3);
  ASSERT_TRUE(write([](soci::session& sql) -> Result<> {
    sql << "DELETE FROM events";
    return {};
  }));
  EXPECT_EQ(logged({"instance.", "bob"}, 7, 8), -1);
  EXPECT_EQ(logged({"instance.", "bob"}, 8, 8), 0);
}

TEST_F(R9_1_History, ARoomKeepsItsNewestMessagesAndKnowsWhatIsGone) {
  for (int i = 0; i < 100; ++i) say("chat|a", 10);
  say("chat|b", 10);
  const auto last = say("chat|a", 10).seq;
  EXPECT_EQ(last, 102);
  EXPECT_EQ(said("chat|a", 0, last), -1);
  EXPECT_LE(said("chat|a", last - 11, last), 20);
  EXPECT_GE(said("chat|a", last - 5, last), 4);
  EXPECT_EQ(said("chat|b", 0, last), 1);
  EXPECT_EQ(said("chat|a", last + 1, last + 1), -1);
}

TEST_F(R9_1_History, SessionsAreFoundByTheirOwnUserOnlyAndAreBounded) {
  const auto now = SystemClock().now();
  const auto keep = [&](const std::string& pid, TimePoint at) {
    return write([=](soci::session& sql) -> Result<> {
      sql::keep_session(sql, pid, "ann", "[]", at);
      return {};
    });
  };
  const auto found = [&](const std::string& pid, const std::string& user) {
    return write([=](soci::session& sql) -> Result<bool> { return sql::kept_session(sql, pid, user).has_value(); })
        .value();
  };
  ASSERT_TRUE(keep("old", now - std::chrono::hours{80}));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(keep("pid" + std::to_string(i), now + std::chrono::seconds{i}));
  EXPECT_FALSE(found("old", "ann"));
  EXPECT_FALSE(found("pid0", "ann")) << "so many are kept of one user";
  EXPECT_TRUE(found("pid99", "ann"));
  EXPECT_FALSE(found("pid99", "bob"));
}

TEST_F(R9_1_History, TheEpochStays) {
  const auto epoch = [&](const std::string& fresh) {
    return write([=](soci::session& sql) -> Result<std::string> { return sql::epoch(sql, fresh); }).value();
  };
  EXPECT_EQ(epoch("first"), "first");
  EXPECT_EQ(epoch("second"), "first");
}

}  // namespace
}  // namespace tiltyard::realtime
