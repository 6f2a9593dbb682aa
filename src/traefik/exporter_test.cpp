// The exporter over a real Redis, which goes away, comes back empty, and has more in it than is ours.
#include "traefik/exporter.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

#include "limits/testing.h"

namespace tiltyard::traefik {
namespace {

using limits::testing::eventually;
using limits::testing::run;

constexpr std::chrono::seconds kLimit{60};

class R2_5_Exporter : public ::testing::Test {
 protected:
  R2_5_Exporter() {
    options_.url = Secret("unix://" + redis_.socket());
    options_.look_every = std::chrono::seconds{1};
  }
  ~R2_5_Exporter() override {
    if (exporter_) close();
    if (reader_) run(loops_, reader_->close());
  }

  void open() {
    const auto make = [this]() -> asio::awaitable<bool> {
      exporter_ = std::make_unique<Exporter>(
          loops_.home(), options_, Gateway{"127.0.0.1:8080", "", "play.example"}, [this] { return endpoints_; },
          files_);
      co_return exporter_->open().has_value();
    };
    ASSERT_TRUE(run(loops_, make()));
  }
  void close() {
    run(loops_, exporter_->close());
    exporter_.reset();
  }
  /// As when an instance has come or gone.
  void have(std::vector<std::string> instances) {
    const auto change = [this, &instances]() -> asio::awaitable<bool> {
      endpoints_.clear();
      for (const auto& id : instances)
        endpoints_.push_back({id, "web", EndpointKind::kHttp, {id + ".play.example"}, "10.64.0.2:80", true});
      if (exporter_) exporter_->poke();
      co_return true;
    };
    run(loops_, change());
  }
  bus::RedisReply ask(std::vector<std::string> words) {
    if (!reader_) reader_ = redis_.connect(loops_);
    auto reply = run(loops_, reader_->command(std::move(words)));
    return reply ? std::move(*reply) : bus::RedisReply{};
  }
  /// All that is below the root.
  Keys there() {
    Keys out;
    for (const auto& key : ask({"KEYS", "traefik/*"}).items) out[key.text] = ask({"GET", key.text}).text;
    return out;
  }
  bool comes_to(const Keys& wanted) {
    return eventually([&] { return there() == wanted; }, kLimit);
  }
  asio::awaitable<bool> behind() { co_return exporter_->behind().has_value(); }
  Keys wanted() const { return keys_of(options_, {"127.0.0.1:8080", "", "play.example"}, endpoints_); }

  net::Loops loops_{1};
  WorkerPool files_{"files", 1};
  limits::testing::RedisServer redis_;
  Options options_;
  std::vector<Exported> endpoints_;
  std::unique_ptr<Exporter> exporter_;
  std::unique_ptr<bus::Redis> reader_;
};

TEST_F(R2_5_Exporter, RedisFollowsWhatComesAndGoes) {
  have({"a", "b"});
  open();
  EXPECT_TRUE(comes_to(wanted()));
  have({"b", "c"});
  EXPECT_TRUE(comes_to(wanted()));
  have({});
  EXPECT_TRUE(comes_to(wanted())) << "what catches the rest stays";
  EXPECT_TRUE(eventually([this] { return !run(loops_, behind()); }, kLimit));
}

TEST_F(R2_5_Exporter, AfterARestartOfRedisAllIsThereAgainAsItIsByThen) {
  have({"a"});
  open();
  ASSERT_TRUE(comes_to(wanted()));
  redis_.stop();
  run(loops_, reader_->close());
  reader_.reset();
  have({"b"});
  have({"c"});
  redis_.start();
  EXPECT_TRUE(comes_to(wanted())) << "and nothing of what was only in between";
}

TEST_F(R2_5_Exporter, GhostsOfOursGoAndWhatIsOfOthersStays) {
  ask({"SET", "traefik/http/routers/ty_tiltyard_ghost/rule", "Host(`ghost`)"});
  ask({"HSET", "traefik/http/routers/ty_tiltyard_odd/rule", "no", "text"});
  ask({"SET", "traefik/http/routers/blog/rule", "Host(`blog`)"});
  have({"a"});
  open();
  auto all = wanted();
  all["traefik/http/routers/blog/rule"] = "Host(`blog`)";
  EXPECT_TRUE(eventually(
      [&] {
        auto now = there();
        now.erase("traefik/http/routers/ty_tiltyard_odd/rule");
        return now == all;
      },
      kLimit));
  // Behind our back.
  ask({"DEL", "traefik/http/routers/ty_tiltyard_a_web/rule"});
  ask({"SET", "traefik/http/routers/ty_tiltyard_a_web/service", "elsewhere"});
  EXPECT_TRUE(eventually(
      [&] { return there()["traefik/http/routers/ty_tiltyard_a_web/service"] == "ty_tiltyard_gateway"; }, kLimit));
  EXPECT_EQ(there()["traefik/http/routers/ty_tiltyard_a_web/rule"], "Host(`a.play.example`)");
}

TEST_F(R2_5_Exporter, ALineThatLeavesTheOperatorsFileLeavesRedisAlsoAfterARestart) {
  char name[] = "/tmp/traefik-extra-XXXXXX";
  ::close(::mkstemp(name));
  options_.extra = name;
  std::ofstream(name) << "http/middlewares/slow/ratelimit/average = 100\nhttp/middlewares/slow/ratelimit/burst = 5\n";
  open();
  auto all = wanted();
  all["traefik/http/middlewares/slow/ratelimit/average"] = "100";
  all["traefik/http/middlewares/slow/ratelimit/burst"] = "5";
  ASSERT_TRUE(comes_to(all));
  close();
  std::ofstream(name) << "http/middlewares/slow/ratelimit/average = 100\n";
  open();
  all.erase("traefik/http/middlewares/slow/ratelimit/burst");
  EXPECT_TRUE(comes_to(all));
  std::ofstream(name) << "nonsense\n";
  ask({"DEL", "traefik/http/routers/ty_tiltyard_rest/rule"});
  EXPECT_TRUE(comes_to(all)) << "it was looked at again, and the file that says nothing takes nothing away";
  ::unlink(name);
}

TEST_F(R2_5_Exporter, AWriteThatIsRefusedIsSaidAndTriedAgain) {
  ask({"CONFIG", "SET", "maxmemory", "1"});
  have({"a"});
  open();
  EXPECT_TRUE(eventually([this] { return run(loops_, behind()); }, kLimit));
  EXPECT_TRUE(there().empty());
  ask({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(comes_to(wanted()));
}

}  // namespace
}  // namespace tiltyard::traefik
