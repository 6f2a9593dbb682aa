// Routes, callers, changes, and what happens when Redis goes and comes back.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "bus/event_log.h"
#include "jobs/jobs.h"
#include "limits/limits.h"
#include "limits/testing.h"
#include "observe/metrics.h"

namespace tiltyard::limits {
namespace {

using testing::eventually;
using testing::RedisServer;
using testing::run;
using namespace std::chrono_literals;

constexpr std::int64_t kMinute = 60'000'000;

class Limits : public ::testing::Test {
 protected:
  Limits() {
    char name[] = "/tmp/limits-test-XXXXXX";
    folder_ = ::mkdtemp(name);
    store_ = std::move(*store::open("sqlite:" + folder_ + "/t.db"));
    EXPECT_TRUE(store_->migrate({{"limits", migrations()}, {"bus", bus::migrations()}, {"jobs", jobs::migrations()}}));
    const auto nothing = [](http::Request) -> asio::awaitable<Result<http::Response>> {
      co_return http::Response::empty(204);
    };
    router_.add({"GET", "/list", http::Access::kSignedIn, nothing, 1024, {"list-read", "address"}});
    router_.add({"POST",
                 "/start",
                 http::Access::kSignedIn,
                 nothing,
                 1024,
                 {"instance-start", "instance-start-hourly", "address"}});
    router_.add({"POST", "/session", http::Access::kOpen, nothing, 1024, {"sign-in-address", "sign-in-name"}});
    router_.add({"GET", "/auth", http::Access::kOpen, nothing, 1024, {"sign-in-page"}});
    router_.add({"GET", "/free", http::Access::kOpen, nothing});
    open(nullptr);
  }
  ~Limits() override {
    close();
    store_->close();
    loops_.stop();
    testing::fs::remove_all(folder_);
  }
  /// The standard table, and some such as capabilities add.
  static Options standard() {
    Options options;
    constexpr std::chrono::minutes kMinute{1};
    constexpr std::chrono::hours kHour{1};
    for (const auto& one :
         {Limiter{"instance-start", "Starting instances", Key::kTeam, {10, 10, 0}, kMinute},
          Limiter{"instance-start-hourly", "The same, over the day", Key::kTeam, {60, 60, 500}, kHour},
          Limiter{"sign-in-page", "Ways of signing in", Key::kAddress, {300, 600, 0}, kMinute},
          Limiter{"sign-in-address", "Sign-ins", Key::kAddress, {300, 120, 20'000}, kMinute},
          Limiter{"sign-in-name", "Sign-ins", Key::kName, {30, 60, 500}, kHour}})
      options.limiters.push_back(one);
    return options;
  }
  void open(bus::Redis* redis, double factor = 1) {
    close();
    auto options = standard();
    options.factor = factor;
    options.retry = 10ms;
    options.micros = [this] { return now_.load(); };
    service_ = std::make_unique<Service>(loops_.home(), options, *store_, redis);
    ASSERT_TRUE(run(loops_, service_->load()));
    service_->bind(router_);
  }
  void close() {
    if (service_) asio::co_spawn(loops_.home(), service_->close(), asio::use_future).get();
    service_.reset();
  }
  Result<> pass(std::size_t route, Caller caller) {
    request_ = {};
    return run(loops_, service_->pass(route, request_, std::move(caller)));
  }
  static Caller player(std::string user, std::string team = {}) {
    Caller caller;
    caller.team = team.empty() ? user : std::move(team);
    caller.user = std::move(user);
    caller.address = "192.0.2.1";
    return caller;
  }
  int how_many(std::size_t route, const Caller& caller, int most = 5000) {
    int count = 0;
    while (count < most && pass(route, caller)) ++count;
    return count;
  }
  std::string field(std::string_view name) const {
    for (const auto& [key, value] : request_.answer_fields) {
      if (key == name) return value;
    }
    return {};
  }

  std::string folder_;
  net::Loops loops_{1};
  std::unique_ptr<store::Store> store_;
  http::Router router_{loops_.home()};
  std::atomic<std::int64_t> now_{1'000 * kMinute};
  std::unique_ptr<Service> service_;
  http::Request request_;
};

TEST(R7_6, OneSubscriberIsOneAddress) {
  const auto share = [](const char* text) { return address_share(asio::ip::make_address(text)); };
  EXPECT_EQ(share("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(share("2001:db8:1:2::1"), share("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(share("2001:db8:1:2::1"), share("2001:db8:1:3::1"));
}

TEST_F(Limits, R7_6_TheTeamSharesAndUsersDoNot) {
  EXPECT_EQ(how_many(1, player("ann", "red")), 10);
  EXPECT_EQ(how_many(1, player("ben", "red")), 0) << "starts count for the team";
  EXPECT_EQ(how_many(1, player("cid", "blue")), 10);
  EXPECT_EQ(how_many(0, player("ann", "red")), 120);
  EXPECT_EQ(how_many(0, player("ben", "red")), 120) << "lists count for each user";
}

TEST_F(Limits, R7_6_ARefusalSaysWhichAndHowLong) {
  how_many(1, player("ann"));
  const auto refused = pass(1, player("ann"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "rate-limited");
  const auto answer = http::problem(refused.error());
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.get("Retry-After"), "6");
  const auto body = boost::json::parse(answer.body).as_object();
  EXPECT_EQ(body.at("limiter").as_string(), "instance-start");
  EXPECT_EQ(body.at("limit").as_int64(), 10);
  EXPECT_EQ(body.at("retry_after_s").as_int64(), 6);
  EXPECT_EQ(
      field("RateLimit-Policy"),
      R"("address";q=3000;w=15, "instance-start";q=10;w=60, "instance-start-hourly";q=60;w=3600, "instance-start-hourly.day";q=500;w=86400)");
  EXPECT_NE(field("RateLimit").find(R"("instance-start";r=0;t=60)"), std::string::npos) << field("RateLimit");
  now_ += 6'000'000;
  EXPECT_TRUE(pass(1, player("ann"))) << "after what Retry-After said";
  EXPECT_FALSE(pass(1, player("ann")));
}

TEST_F(Limits, R7_6_WhatIsAllowedTellsHowMuchIsLeft) {
  ASSERT_TRUE(pass(0, player("ann")));
  EXPECT_EQ(field("RateLimit-Policy"), R"("list-read";q=120;w=24)");
  EXPECT_EQ(field("RateLimit"), R"("list-read";r=119;t=1)");
  ASSERT_TRUE(pass(4, {}));
  EXPECT_TRUE(request_.answer_fields.empty());
}

TEST_F(Limits, R7_6_TheHourAndTheDayHaveLimitsToo) {
  int started = 0;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    started += how_many(1, player("ann"));
    now_ += kMinute;
    if (minute == 59) EXPECT_LE(started, 120) << "a burst and what an hour gives";
  }
  EXPECT_LE(started, 500 + 500);
  EXPECT_GE(started, 500);
}

TEST_F(Limits, R7_6_FloodsByAddressAreRefusedBeforeAnybodyIsAsked) {
  int through = 0;
  std::optional<http::Response> refused;
  while (through < 10'000 && !(refused = service_->guard(3, "192.0.2.9"))) ++through;
  EXPECT_EQ(through, 300);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->headers.get("Retry-After"), "1");
  EXPECT_FALSE(refused->headers.get("RateLimit-Policy").empty());
  EXPECT_FALSE(service_->guard(3, "192.0.2.10")) << "others are not touched";
  EXPECT_FALSE(service_->guard(4, "192.0.2.9")) << "nor free routes";
}

TEST_F(Limits, R7_6_OneNameFromManyAddresses) {
  int through = 0;
  for (int i = 0; i < 100; ++i) {
    Caller caller;
    caller.address = "198.51.100." + std::to_string(i);
    caller.name = "admin";
    through += pass(2, caller) ? 1 : 0;
  }
  EXPECT_EQ(through, 30);
}

TEST_F(Limits, R7_6_TheAdminTokenHasTenTimesAsMuchAndAnEnd) {
  auto script = player("admin-token");
  script.factor = 10;
  EXPECT_EQ(how_many(1, script), 100);
  EXPECT_NE(field("RateLimit-Policy").find(R"("instance-start";q=100;w=60)"), std::string::npos);
}

TEST_F(Limits, R7_6_ChangesCountAtOnceAndStay) {
  const auto place = *service_->find("list-read");
  EXPECT_EQ(how_many(0, player("ann")), 120);
  ASSERT_TRUE(run(loops_, service_->change(place, Rates{130, 300, 1000}, "staff")));
  EXPECT_EQ(how_many(0, player("ann")), 10);
  EXPECT_EQ(field("RateLimit-Policy"),
            R"("address";q=3000;w=15, "list-read";q=130;w=26, "list-read.day";q=1000;w=86400)");
  open(nullptr);
  EXPECT_TRUE(service_->changed(place));
  EXPECT_EQ(service_->rates(place), (Rates{130, 300, 1000}));
  EXPECT_EQ(how_many(0, player("ben")), 130);
  ASSERT_TRUE(run(loops_, service_->change(place, std::nullopt, "staff")));
  EXPECT_EQ(service_->rates(place), service_->limiters()[place].standard);
  open(nullptr);
  EXPECT_FALSE(service_->changed(place));
}

asio::awaitable<Rates> rates_at_home(Service& service, std::size_t limiter) { co_return service.rates(limiter); }

TEST_F(Limits, R14_1_AChangeCountsOnTheOtherServersToo) {
  const auto place = *service_->find("list-read");
  auto other = std::make_unique<Service>(loops_.home(), standard(), *store_, nullptr);
  ASSERT_TRUE(run(loops_, other->load()));
  const auto comes_to = [&](const Rates& rates) {
    return eventually([&] { return run(loops_, rates_at_home(*other, place)) == rates; });
  };
  ASSERT_TRUE(run(loops_, service_->change(place, Rates{130, 300, 1000}, "staff")));
  EXPECT_TRUE(comes_to(Rates{130, 300, 1000}));
  ASSERT_TRUE(run(loops_, service_->change(place, std::nullopt, "staff")));
  EXPECT_TRUE(comes_to(service_->limiters()[place].standard));
  asio::co_spawn(loops_.home(), other->close(), asio::use_future).get();
}

TEST_F(Limits, R7_6_AChangeReachesAServerThatHearsNoNewsOfIt) {
  const auto place = *service_->find("list-read");
  // The same file opened once more is what another process has: no news go from one to the other.
  auto file = std::move(*store::open("sqlite:" + folder_ + "/t.db"));
  auto other = std::make_unique<Service>(loops_.home(), standard(), *file, nullptr);
  ASSERT_TRUE(run(loops_, other->load()));
  ASSERT_TRUE(run(loops_, service_->change(place, Rates{130, 300, 1000}, "staff")));
  ASSERT_TRUE(run(loops_, other->read_changes()));
  EXPECT_EQ(run(loops_, rates_at_home(*other, place)), (Rates{130, 300, 1000}));
  ASSERT_TRUE(run(loops_, service_->change(place, std::nullopt, "staff")));
  ASSERT_TRUE(run(loops_, other->read_changes()));
  EXPECT_EQ(run(loops_, rates_at_home(*other, place)), service_->limiters()[place].standard);
  // What is changed here is never taken back by what was read before it.
  for (int i = 1; i <= 200; ++i) {
    auto looking = asio::co_spawn(loops_.home(), other->read_changes(), asio::use_future);
    ASSERT_TRUE(run(loops_, other->change(place, Rates{i, 300, 0}, "staff")));
    ASSERT_TRUE(looking.get());
    ASSERT_EQ(run(loops_, rates_at_home(*other, place)), (Rates{i, 300, 0}));
  }
  // And nobody has to ask: it is a job.
  const SystemClock clock;
  jobs::Service jobs({}, {loops_.home(), *file, clock});
  other->declare_jobs(jobs);
  ASSERT_TRUE(run(loops_, jobs.start()));
  ASSERT_TRUE(run(loops_, service_->change(place, Rates{140, 300, 0}, "staff")));
  EXPECT_TRUE(eventually([&] { return run(loops_, rates_at_home(*other, place)) == Rates{140, 300, 0}; }));
  asio::co_spawn(loops_.home(), jobs.close(), asio::use_future).get();
  asio::co_spawn(loops_.home(), other->close(), asio::use_future).get();
  file->close();
}

TEST_F(Limits, R7_6_TheFactorMovesAll) {
  open(nullptr, 0.5);
  EXPECT_EQ(how_many(0, player("ann")), 60);
  open(nullptr, 3);
  EXPECT_EQ(how_many(0, player("ann")), 360);
}

TEST_F(Limits, R7_6_TwoServersShareThroughRedisInOneRoundTrip) {
  RedisServer server;
  const auto one = server.connect(loops_), two = server.connect(loops_);
  open(one.get());
  auto other = std::make_unique<Service>(loops_.home(), standard(), *store_, two.get());
  other->bind(router_);
  const auto calls = [&] {
    std::vector<std::string> words{"INFO", "commandstats"};
    const auto text = run(loops_, one->command(std::move(words)))->text;
    const auto at = text.find("cmdstat_evalsha:calls=");
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + 22));
  };
  EXPECT_TRUE(pass(1, player("ann")));
  const int before = calls();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(pass(1, player("ann")));
  EXPECT_EQ(calls() - before, 4) << "one call for the four quotas of each request";
  int more = 0;
  while (run(loops_, other->pass(1, request_, player("ann")))) ++more;
  EXPECT_EQ(more, 5);
  EXPECT_FALSE(pass(1, player("ann")));
  EXPECT_EQ(service_->counted_in(), "redis");
  asio::co_spawn(loops_.home(), other->close(), asio::use_future).get();
  close();
  for (auto* redis : {one.get(), two.get()}) asio::co_spawn(loops_.home(), redis->close(), asio::use_future).get();
}

TEST_F(Limits, R7_6_RedisGoesAndComesBackInMidLoad) {
  RedisServer server;
  const auto redis = server.connect(loops_);
  open(redis.get());
  const auto degraded = [] { return metrics::expose().find("\ntiltyard_limits_degraded 1") != std::string::npos; };
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(pass(1, player("ann")));
  EXPECT_FALSE(degraded());
  server.stop();
  // Goes on at once, from where this server was: of ten there were six.
  EXPECT_EQ(how_many(1, player("ann")), 4);
  EXPECT_TRUE(degraded());
  EXPECT_EQ(service_->counted_in(), "memory, because Redis is away");
  server.start();
  EXPECT_TRUE(eventually([&] { return !degraded(); }));
  EXPECT_EQ(service_->counted_in(), "redis");
  EXPECT_EQ(how_many(1, player("ben")), 10);
  close();
  asio::co_spawn(loops_.home(), redis->close(), asio::use_future).get();
}

TEST_F(Limits, R7_6_ASlowRedisDelaysNobodyForLong) {
  RedisServer server;
  auto options = server.options();
  options.deadline = 50ms;
  const auto redis = server.connect(loops_, options);
  open(redis.get());
  {
    const auto patient = server.connect(loops_);
    ASSERT_TRUE(run(loops_, patient->command({"CLIENT", "PAUSE", "1500", "ALL"})));
    asio::co_spawn(loops_.home(), patient->close(), asio::use_future).get();
  }
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(pass(0, player("ann")));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s) << "one deadline, not a hundred";
  EXPECT_TRUE(eventually([&] { return service_->counted_in() == "redis"; }));
  close();
  asio::co_spawn(loops_.home(), redis->close(), asio::use_future).get();
}

}  // namespace
}  // namespace tiltyard::limits
