// How many durable writes a second a store takes: store_bench URL strict|loose WRITERS SECONDS. Each write is one row;
// each writer waits for its answer before it asks again. Prints "rows/s N", "p50 MICROSECONDS" and "p99 MICROSECONDS".
#include <fmt/core.h>
#include <soci/soci.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "store/store.h"

namespace {

using namespace tiltyard;
using SteadyClock = std::chrono::steady_clock;

struct Run {
  store::Store& store;
  store::Order order;
  SteadyClock::time_point until;
  long long next;
  std::vector<long long> micros;
  int failed = 0;
};

store::asio::awaitable<void> write_in_turn(Run& run) {
  while (true) {
    const auto begun = SteadyClock::now();
    if (begun > run.until) co_return;
    auto insert = [id = run.next++](soci::session& sql) -> Result<> {
      sql << "INSERT INTO bench (id, text) VALUES (:id, 'a line of forty bytes, as flags are long.')",
          soci::use(id, "id");
      return {};
    };
    const auto written = co_await run.store.write(insert, run.order);
    if (!written && run.failed++ == 0) fmt::print(stderr, "{}: {}\n", written.error().message, written.error().cause);
    run.micros.push_back(std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begun).count());
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  auto opened = store::open(words[1]);
  if (!opened) {
    fmt::print(stderr, "{} {}\n", opened.error().message, opened.error().cause);
    return 1;
  }
  auto& store = **opened;
  const auto migrated =
      store.migrate({{"bench", {{"bench", "CREATE TABLE bench (id BIGINT PRIMARY KEY, text TEXT NOT NULL)"}}}});
  if (!migrated) return 1;
  const int seconds = std::atoi(words[4]);
  // Several of these may share a database: each has numbers of its own.
  Run run{store,
          std::string(words[2]) == "loose" ? store::Order::kLoose : store::Order::kStrict,
          SteadyClock::now() + std::chrono::seconds{seconds},
          SteadyClock::now().time_since_epoch().count() / 1000 * 100'000 + ::getpid() % 100'000,
          {}};
  store::asio::io_context loop;
  for (int writer = 0; writer < std::atoi(words[3]); ++writer)
    store::asio::co_spawn(loop, write_in_turn(run), store::asio::detached);
  loop.run();
  store.close();
  if (run.failed > 0 || run.micros.empty()) return 1;
  std::ranges::sort(run.micros);
  const auto at = [&](double part) {
    return run.micros[static_cast<std::size_t>(static_cast<double>(run.micros.size() - 1) * part)];
  };
  fmt::print("rows/s {}\np50 {}\np99 {}\n", static_cast<long long>(run.micros.size()) / seconds, at(0.5), at(0.99));
  return 0;
}
