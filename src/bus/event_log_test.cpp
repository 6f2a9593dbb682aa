#include "bus/event_log.h"

#include <gtest/gtest.h>
#include <soci/soci.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <filesystem>
#include <thread>
#include <type_traits>

#include "bus/kinds.h"
#include "net/loops.h"

namespace tiltyard::bus {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr EventKind kLogin{.name = "login", .prose = "Somebody signed in."};
constexpr EventKind kLogout{.name = "logout", .prose = "Somebody signed out."};
constexpr EventKind kLoginFailed{.name = "login.failed", .prose = "A sign-in was refused.", .rows = Rows::kCounted};
constexpr EventKind kAuthFailed{.name = "auth.failed", .prose = "A right was missing.", .rows = Rows::kCounted};
constexpr EventKind kPassing{.name = "queue.moved", .prose = "A queue has moved.", .rows = Rows::kNone};

struct Row {
  long long seq = 0, at = 0;
  std::string kind, actor, address, detail;
};

class R9_4_EventLog : public testing::Test {
 protected:
  R9_4_EventLog() : folder_(fs::temp_directory_path() / ("tiltyard-events-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    store_ = std::move(*store::open("sqlite:" + (folder_ / "test.db").string()));
    EXPECT_TRUE(store_->migrate({{"bus", migrations()}}));
  }
  ~R9_4_EventLog() override {
    store_->close();
    loops_.stop();
    fs::remove_all(folder_);
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }

  std::vector<Row> rows() {
    auto work = [](soci::session& sql) -> Result<std::vector<Row>> {
      std::vector<Row> out;
      Row row;
      soci::statement query = (sql.prepare << "SELECT seq, at, kind, actor, address, detail FROM events ORDER BY seq",
                               soci::into(row.seq), soci::into(row.at), soci::into(row.kind), soci::into(row.actor),
                               soci::into(row.address), soci::into(row.detail));
      for (bool more = query.execute(true); more; more = query.fetch()) out.push_back(row);
      return out;
    };
    return *run(store_->read(work));
  }

  Event event(KindRef kind, std::string address = "192.0.2.1") const {
    Event out;
    out.kind = kind;
    out.actor = Actor("ann", "1", std::move(address));
    out.at = clock_.now();
    return out;
  }

  fs::path folder_;
  net::Loops loops_{1};
  ManualClock clock_{from_micros(1'700'000'000'000'000)};
  std::unique_ptr<store::Store> store_;
};

static_assert(!std::is_constructible_v<KindRef, std::string_view>, "a kind that nobody declares does not compile");

TEST_F(R9_4_EventLog, WhatOnlyPassesIsRefusedAndUndoesTheChange) {
  const auto refused = run(record(*store_, event(kPassing)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "event-not-kept");
  EXPECT_FALSE(run(record(*store_, Event{}))) << "of no kind";
  EXPECT_TRUE(rows().empty());
}

TEST(R9_4_Kinds, AKindThatTwoDeclareIsRefusedWithBothNames) {
  static constexpr const EventKind* kFirst[] = {&kLogin, &kPassing};
  static constexpr EventKind kSame{.name = "login", .prose = "Another one."};
  static constexpr const EventKind* kSecond[] = {&kSame};
  Kinds kinds;
  ASSERT_TRUE(kinds.add("identity", kFirst));
  const auto refused = kinds.add("guard", kSecond);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "event-kind-twice");
  EXPECT_EQ(refused.error().message, "The kind of event \"login\" is declared by identity and by guard.");
  EXPECT_EQ(kinds.find("login"), &kLogin);
  EXPECT_EQ(kinds.of("login"), KindRef(kLogin));
  EXPECT_EQ(kinds.of("of-before"), KindRef());
  EXPECT_EQ(kinds.kept(), std::vector<const EventKind*>{&kLogin});
}

TEST_F(R9_4_EventLog, NumbersGrowAndAnUndoneEventTakesNone) {
  ASSERT_TRUE(run(record(*store_, event(kLogin))));
  auto undone = [this](soci::session& sql) -> Result<> {
    if (auto written = record(sql, event(kLogout)); !written) return written;
    return fail(Code::kConflict, "changed-my-mind", "");
  };
  EXPECT_FALSE(run(store_->write(undone)));
  ASSERT_TRUE(run(record(*store_, event(kLogout))));
  const auto all = rows();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].seq, 1);
  EXPECT_EQ(all[1].seq, 2);
}

TEST_F(R9_4_EventLog, WhatIsWrittenCanNeitherForgeALineNorHoldASecret) {
  auto odd = event(kLogin);
  odd.actor.name = "ann\nforged\xe2\x80\xa8\xff" + std::string(1000, 'x');
  odd.detail =
      R"({"password":"hunter2","note":"sent FLAG{abcdef} as ty_abcdefghijklmnopqrstuv","list":["Bearer abcdefgh123"],"line":"a\nb"})";
  ASSERT_TRUE(run(record(*store_, odd)));
  odd.detail = "no JSON with password=hunter2";
  ASSERT_TRUE(run(record(*store_, odd)));
  odd.detail = "{\"x\":\"" + std::string(100'000, 'y') + "\"}";
  ASSERT_TRUE(run(record(*store_, odd)));
  for (const auto& row : rows()) {
    EXPECT_TRUE(row.actor.starts_with("ann\\nforged\\u2028\\ufffd")) << row.actor;
    EXPECT_LE(row.actor.size(), 300U);
    EXPECT_LE(row.detail.size(), 8300U);
    EXPECT_NO_THROW((void)boost::json::parse(row.detail));
    for (const char* secret : {"hunter2", "abcdef", "\n"})
      EXPECT_EQ(row.detail.find(secret), std::string::npos) << row.detail;
  }
}

TEST_F(R9_4_EventLog, AFloodIsOneRowAndASum) {
  EventLog log(loops_.home(), *store_, clock_);
  for (int i = 0; i < 10'000; ++i) log.note(event(kLoginFailed));
  for (int i = 0; i < 50; ++i) log.note(event(kLoginFailed, "2001:db8:1:2::" + std::to_string(i)));
  log.note(event(kLoginFailed, "2001:db8:1:3::1"));
  run(log.close());
  const auto all = rows();
  ASSERT_EQ(all.size(), 5U) << "a first of each source, and the sums of two";
  std::uint64_t sum = 0;
  for (const auto& row : all) {
    const auto detail = boost::json::parse(row.detail).as_object();
    if (detail.contains("count")) sum += detail.at("count").to_number<std::uint64_t>();
  }
  EXPECT_EQ(sum, 9'999U + 49U);
}

TEST_F(R9_4_EventLog, AFloodFromEverywhereIsBoundedToo) {
  EventLog log(loops_.home(), *store_, clock_);
  for (int i = 0; i < 60'000; ++i)
    log.note(event(kAuthFailed, "10." + std::to_string(i / 250 / 250) + "." + std::to_string(i / 250 % 250) + "." +
                                    std::to_string(i % 250)));
  run(log.close());
  const auto all = rows();
  EXPECT_LE(all.size(), 402U);
  EXPECT_EQ(all.back().address, "others");
}

TEST_F(R9_4_EventLog, ASecondMinuteBeginsAnew) {
  EventLog log(loops_.home(), *store_, clock_);
  log.run();
  log.note(event(kLoginFailed));
  log.note(event(kLoginFailed));
  clock_.advance(2min);
  // The loop looks every second of the real clock.
  for (int tries = 0; rows().size() < 2 && tries < 400; ++tries) std::this_thread::sleep_for(25ms);
  log.note(event(kLoginFailed));
  run(log.close());
  EXPECT_EQ(rows().size(), 3U);
}

}  // namespace
}  // namespace tiltyard::bus
