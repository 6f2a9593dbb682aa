#include <signal.h>
#include <soci/soci.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <set>

#include "store_contract.h"

namespace tiltyard::store::contract {
namespace {

constexpr int kWriters = 8;

/// Writes for ever; each write is an entry and its pair. What has been answered is told through the pipe.
asio::awaitable<void> write_for_ever(Store& store, int writer, long long first, int pipe) {
  for (long long id = first + writer;; id += kWriters) {
    auto both = [id](soci::session& sql) -> Result<> {
      const std::string text(200, 'x');
      sql << "INSERT INTO entries (id, text) VALUES (:id, :text)", soci::use(id, "id"), soci::use(text, "text");
      sql << "INSERT INTO pairs (id, entry) VALUES (:id, :entry)", soci::use(id, "id"), soci::use(id, "entry");
      return {};
    };
    const auto written = co_await store.write(both);
    if (!written || ::write(pipe, &id, sizeof id) != sizeof id) _exit(3);
  }
}

[[noreturn]] void be_the_server(const std::string& url, long long first, int pipe) {
  auto store = open(url);
  if (!store) _exit(2);
  asio::io_context loop;
  for (int writer = 0; writer < kWriters; ++writer) {
    asio::co_spawn(loop, write_for_ever(**store, writer, first, pipe), asio::detached);
  }
  loop.run();
  _exit(4);
}

std::set<long long> ids_in(Store& store, const std::string& table) {
  auto work = [table](soci::session& sql) -> Result<std::set<long long>> {
    std::set<long long> ids;
    long long id = 0;
    soci::statement rows = (sql.prepare << "SELECT id FROM " << table, soci::into(id));
    rows.execute();
    while (rows.fetch()) ids.insert(id);
    return ids;
  };
  return run(store.read(work)).value();
}

}  // namespace

/// SIGKILL right after the n-th answer, in the middle of whatever the writer does then: every answered write is there,
/// and every write is there as a whole or not at all.
TEST_P(R1_13, KillLosesNoAnsweredWriteAndLeavesNoHalfOfOne) {
  store_.reset();
  std::set<long long> answered;
  for (int round = 0; round < 12; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) be_the_server(url_, round * 1'000'000LL, ends[1]);
    ::close(ends[1]);
    const std::size_t until = answered.size() + 1 + static_cast<std::size_t>(round * 23);
    long long id = 0;
    while (answered.size() < until && ::read(ends[0], &id, sizeof id) == sizeof id) answered.insert(id);
    EXPECT_GE(answered.size(), until) << "the child ended by itself";
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    // What had been answered before the kill, and not yet read.
    while (::read(ends[0], &id, sizeof id) == sizeof id) answered.insert(id);
    ::close(ends[0]);
    reopen();
    const std::set<long long> entries = ids_in(*store_, "entries");
    for (const long long one : answered) ASSERT_TRUE(entries.contains(one)) << "round " << round << " lost " << one;
    EXPECT_EQ(entries, ids_in(*store_, "pairs")) << "half of a write";
    EXPECT_LE(entries.size(), answered.size() + static_cast<std::size_t>(kWriters * (round + 1)));
    store_.reset();
  }
}

}  // namespace tiltyard::store::contract
