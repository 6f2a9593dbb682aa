// What is kept of terminals, and what goes when there is no room.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <filesystem>

#include "base/test_folder.h"
#include "jobs/testing.h"
#include "net/loops.h"
#include "recordings/recordings.h"

namespace tiltyard::recordings {
namespace {

using namespace std::chrono_literals;
using jobs::testing::Backend;
using jobs::testing::Database;

class R3_5_Recordings : public ::testing::TestWithParam<Backend> {
 protected:
  R3_5_Recordings() : database_(GetParam()), store_(database_.open()) {
    EXPECT_TRUE(store_->migrate(
        {{"jobs", jobs::migrations()}, {"bus", bus::migrations()}, {"recordings", recordings::migrations()}}));
    jobs_ = std::make_unique<jobs::Service>(jobs::Options{}, jobs::Parts{loops_.home(), *store_, clock_});
    Options options;
    options.each = 256 << 10;
    options.total = 1 << 20;
    options.per_owner = 600 << 10;
    service_ = std::make_unique<Recordings>(
        options, Parts{loops_.home(), *store_, clock_, *jobs_, files_, folder_.at("recordings")});
    service_->open();
  }
  ~R3_5_Recordings() override {
    run(service_->close());
    run(jobs_->close());
    store_->close();
    loops_.stop();
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }
  std::vector<Recording> of(const std::string& owner) { return run(service_->list({}, owner)).value(); }

  /// What one terminal of this owner's shows, until it has ended.
  std::string record(const std::string& owner, std::size_t bytes) {
    RecordingSpec spec;
    spec.instance = InstanceId("one");
    spec.owner = owner;
    spec.machine = "main";
    spec.kind = "terminal";
    auto begun = run(service_->begin(std::move(spec)));
    if (!begun) return begun.error().reason;
    const auto id = of(owner).front().id;
    auto show = [](std::unique_ptr<Recorder> to, std::size_t size) -> asio::awaitable<std::string> {
      auto kept = to->output(std::string(size, 'x'));
      co_return kept ? "" : kept.error().reason;
    };
    const auto said = run(show(std::move(*begun), bytes));
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (std::chrono::steady_clock::now() < end) {
      if (const auto one = run(service_->find(id)); !one || one->ended_at) return said;
      std::this_thread::sleep_for(2ms);
    }
    return "never ended";
  }
  std::size_t files() {
    using Files = std::filesystem::directory_iterator;
    return static_cast<std::size_t>(std::distance(Files(folder_.at("recordings")), Files()));
  }

  TestFolder folder_;
  Database database_;
  net::Loops loops_{1};
  SystemClock clock_;
  WorkerPool files_{"files", 1};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<jobs::Service> jobs_;
  std::unique_ptr<Recordings> service_;
};

TEST_P(R3_5_Recordings, WhoShowsMuchPushesOutNobodyElses) {
  EXPECT_EQ(record("quiet", 1000), "");
  for (int i = 0; i < 8; ++i) EXPECT_EQ(record("loud", 200 << 10), "");
  EXPECT_EQ(record("quiet", 1000), "") << "before anything begins, each is within its share";
  const auto fits = [this] {
    std::uint64_t sum = 0;
    for (const auto& one : of("loud")) sum += one.size;
    return sum <= (600u << 10) && files() == of("loud").size() + 2;
  };
  const auto end = std::chrono::steady_clock::now() + 60s;
  bool fitted = fits();
  for (; !fitted && std::chrono::steady_clock::now() < end; fitted = fits()) std::this_thread::sleep_for(2ms);
  EXPECT_TRUE(fitted);
  EXPECT_EQ(of("quiet").size(), 2u) << "one is the oldest of all";
  EXPECT_GE(of("loud").size(), 2u) << "not much more goes than has to";
}

TEST_P(R3_5_Recordings, WhereAllIsFullWhoHasMostMakesRoom) {
  for (const auto* owner : {"ann", "ben"}) {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(record(owner, 200 << 10), "");
  }
  EXPECT_EQ(record("quiet", 1000), "");
  EXPECT_EQ(record("ben", 190 << 10), "");
  // 990 KiB with what lines and heads take: one more does not fit, and neither is above the share of one.
  EXPECT_EQ(record("quiet", 100 << 10), "");
  EXPECT_EQ(record("quiet", 1000), "") << "makes room before it begins";
  EXPECT_EQ(of("ben").size(), 2u);
  EXPECT_EQ(of("ann").size(), 2u);
  EXPECT_EQ(of("quiet").size(), 3u);
}

TEST_P(R3_5_Recordings, OneThatIsFullSaysSoAndEnds) {
  EXPECT_EQ(record("ann", 300 << 10), "recording-full");
  const auto kept = of("ann");
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].end_reason, "full");
  const auto text = run(service_->read(kept[0].id, 0)).value();
  EXPECT_NE(text.find("The recording is full"), text.npos);
  EXPECT_EQ(text.find("xxx"), text.npos) << "what was not shown is not kept";
  EXPECT_EQ(record("ann", 10), "") << "the next one has its own";
}

TEST_P(R3_5_Recordings, WhatRunsIsNotRemovedAndWhatEndedIs) {
  RecordingSpec spec;
  spec.owner = "ann";
  auto begun = run(service_->begin(std::move(spec)));
  ASSERT_TRUE(begun);
  const auto id = of("ann").front().id;
  EXPECT_EQ(run(service_->remove(id, {})).error().reason, "recording-runs");
  run([](std::unique_ptr<Recorder>) -> asio::awaitable<bool> { co_return true; }(std::move(*begun)));
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!run(service_->remove(id, {})) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(2ms);
  EXPECT_TRUE(of("ann").empty());
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(run(service_->remove(id, {})).error().reason, "recording-unknown");
}

INSTANTIATE_TEST_SUITE_P(Stores, R3_5_Recordings, ::testing::Values(Backend::kSqlite, Backend::kPostgresql),
                         jobs::testing::name_of);

}  // namespace
}  // namespace tiltyard::recordings
