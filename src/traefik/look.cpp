#include "traefik/look.h"

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/parallel.h"
#include "bus/redis.h"
#include "traefik/extra.h"
#include "traefik/layout.h"

namespace tiltyard::traefik {
namespace {

namespace asio = boost::asio;

asio::awaitable<Result<std::string>> ask(bus::Redis* redis, const Options* options) {
  for (int i = 0; i < 60 && !redis->connected(); ++i) co_await sleep_for(std::chrono::milliseconds{50});
  if (!redis->connected()) {
    co_return fail(Code::kUnavailable, "redis-away",
                   "Traefik's Redis (traefik.url) does not answer. Routes are written as soon as it does.");
  }
  auto notices = co_await redis->command({"CONFIG", "GET", "notify-keyspace-events"});
  auto size = co_await redis->command({"DBSIZE"});
  if (!size) co_return fail(std::move(size.error()));
  const bool known = notices && notices->items.size() == 2;
  if (!known) {
    co_return fail(
        Code::kUnavailable, "redis-config",
        "This Redis lets nobody ask for its settings, as managed ones do: Traefik cannot turn its notices on "
        "and hears of no change. Set notify-keyspace-events to KEA there.");
  }
  const auto& said = notices->items[1].text;
  co_return fmt::format(
      "Redis answers, {} keys in its database; {}", size->integer,
      said.empty() ? "no Traefik has turned its notices on yet" : fmt::format("notices are on ({})", said));
}

asio::awaitable<void> run(bus::Redis* redis, const Options* options, Result<std::string>* out) {
  *out = co_await ask(redis, options);
  co_await redis->close();
}

}  // namespace

Result<std::string> look(const Options& options) {
  if (auto extra = read_extra(options); !extra) return fail(std::move(extra.error()));
  asio::io_context loop{1};
  bus::RedisOptions where;
  where.url = options.url;
  where.deadline = std::chrono::milliseconds{2000};
  auto redis = bus::Redis::open(loop.get_executor(), std::move(where));
  if (!redis) return fail(std::move(redis.error()));
  Result<std::string> out = fail(Code::kTimeout, "timeout", "Traefik's Redis did not answer.");
  asio::co_spawn(loop, run(redis->get(), &options, &out), asio::detached);
  loop.run_for(std::chrono::seconds{8});
  return out;
}

}  // namespace tiltyard::traefik
