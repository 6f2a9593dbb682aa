// The client, against a real redis-server.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "bus/redis.h"
#include "limits/testing.h"

namespace tiltyard::bus {
namespace {

using limits::testing::eventually;
using limits::testing::RedisServer;
using limits::testing::run;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

class Client : public ::testing::Test {
 protected:
  ~Client() override {
    if (redis_) asio::co_spawn(loops_.home(), redis_->close(), asio::use_future).get();
    loops_.stop();
  }
  Result<RedisReply> call(Words words) { return run(loops_, redis_->command(std::move(words))); }

  net::Loops loops_{1};
  std::unique_ptr<Redis> redis_;
};

TEST_F(Client, R7_6_PipelinedRepliesFindTheirCallers) {
  const RedisServer server;
  redis_ = server.connect(loops_);
  std::vector<std::future<Result<RedisReply>>> calls;
  for (int i = 0; i < 2000; ++i) {
    Words words{"ECHO", std::to_string(i) + std::string(static_cast<std::size_t>(i % 50), 'x')};
    calls.push_back(asio::co_spawn(loops_.home(), redis_->command(std::move(words)), asio::use_future));
  }
  for (int i = 0; i < 2000; ++i) {
    const auto reply = calls[static_cast<std::size_t>(i)].get();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->text, std::to_string(i) + std::string(static_cast<std::size_t>(i % 50), 'x'));
  }
  EXPECT_EQ(call({"SET", "binary", std::string("a\0\r\n\xff", 5)})->text, "OK");
  EXPECT_EQ(call({"GET", "binary"})->text, std::string("a\0\r\n\xff", 5));
  EXPECT_EQ(call({"GET", "nothing"})->kind, RedisReply::Kind::kNil);
  EXPECT_EQ(call({"NONSENSE"})->kind, RedisReply::Kind::kError);
}

TEST_F(Client, R7_6_AScriptIsSentOnceAndAgainWhenForgotten) {
  const RedisServer server;
  redis_ = server.connect(loops_);
  const RedisScript script("return {KEYS[1], ARGV[1], 7}");
  for (int round = 0; round < 3; ++round) {
    const auto reply = run(loops_, redis_->eval(script, {"k", "v"}, 1));
    ASSERT_TRUE(reply) << reply.error().cause;
    ASSERT_EQ(reply->items.size(), 3U);
    EXPECT_EQ(reply->items[0].text, "k");
    EXPECT_EQ(reply->items[2].integer, 7);
    if (round == 1) EXPECT_EQ(call({"SCRIPT", "FLUSH"})->text, "OK");
  }
  const RedisScript broken("return redis.call('NONSENSE')");
  EXPECT_EQ(run(loops_, redis_->eval(broken, {}, 0)).error().reason, "redis-refused");
}

TEST_F(Client, R7_6_ASlowServerCostsNoMoreThanTheDeadline) {
  const RedisServer server;
  auto options = server.options();
  options.deadline = 50ms;
  redis_ = server.connect(loops_, options);
  {
    auto patient = server.connect(loops_);
    ASSERT_TRUE(run(loops_, patient->command({"CLIENT", "PAUSE", "400", "ALL"})));
    asio::co_spawn(loops_.home(), patient->close(), asio::use_future).get();
  }
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(call({"ECHO", "late"}).error().reason, "redis-slow");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 350ms);
  // The late reply must not be taken for another's.
  EXPECT_TRUE(eventually([&] {
    const auto reply = call({"ECHO", "right"});
    EXPECT_TRUE(!reply || reply->text == "right");
    return reply.has_value();
  }));
}

TEST_F(Client, R7_6_ComesBackByItself) {
  RedisServer server;
  redis_ = server.connect(loops_);
  ASSERT_TRUE(call({"PING"}));
  server.stop();
  EXPECT_TRUE(eventually([&] { return !redis_->connected(); }));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(call({"PING"}).error().reason, "redis-away");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
  server.start();
  EXPECT_TRUE(eventually([&] { return call({"PING"}).has_value(); }));
}

TEST_F(Client, R7_6_IntroducesItself) {
  const RedisServer server({"--requirepass", "a password: with/odd@parts"});
  auto options = server.options();
  auto wrong = Redis::open(loops_.home(), options);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(run(loops_, (*wrong)->command({"PING"})).error().reason, "redis-away");
  asio::co_spawn(loops_.home(), (*wrong)->close(), asio::use_future).get();
}

TEST_F(Client, R7_6_TheQueueIsBounded) {
  const RedisServer server;
  auto options = server.options();
  options.queue_limit = 10;
  redis_ = server.connect(loops_, options);
  auto flood = [](Redis* redis) -> asio::awaitable<int> {
    const auto executor = co_await asio::this_coro::executor;
    auto busy = std::make_shared<int>(0), ended = std::make_shared<int>(0);
    for (int i = 0; i < 50; ++i) {
      Words words{"PING"};
      asio::co_spawn(executor, redis->command(std::move(words)),
                     [busy, ended](std::exception_ptr, Result<RedisReply> reply) {
                       *busy += !reply && reply.error().reason == "redis-busy" ? 1 : 0;
                       ++*ended;
                     });
    }
    asio::steady_timer timer(executor);
    while (*ended < 50) {
      timer.expires_after(std::chrono::milliseconds{1});
      co_await timer.async_wait(asio::use_awaitable);
    }
    co_return *busy;
  };
  EXPECT_GE(run(loops_, flood(redis_.get())), 1);
  EXPECT_TRUE(call({"PING"}));
}

TEST(R7_6, RedisUrls) {
  net::Loops loops{1};
  for (const auto* url : {"", "redis", "http://host", "redis://", "redis://host/x", "redis://host/1234", "unix://"}) {
    RedisOptions options;
    options.url = Secret(url);
    const auto redis = Redis::open(loops.home(), options);
    ASSERT_FALSE(redis) << url;
    EXPECT_EQ(redis.error().reason, "redis-url");
    EXPECT_EQ(redis.error().message.find("secret"), std::string::npos);
  }
  for (const auto* url : {"redis://127.0.0.1:1", "redis://user:secret%40x@127.0.0.1:1/3", "rediss://127.0.0.1:1",
                          "unix:///nowhere?db=2"}) {
    RedisOptions options;
    options.url = Secret(url);
    const auto redis = Redis::open(loops.home(), options);
    ASSERT_TRUE(redis) << url;
    asio::co_spawn(loops.home(), (*redis)->close(), asio::use_future).get();
  }
}

}  // namespace
}  // namespace tiltyard::bus
