// A server that is killed again and again under load: in the end every job is counted.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "jobs/testing.h"

namespace tiltyard::jobs {
namespace {

using namespace testing;

constexpr int kRounds = 10, kLanes = 5;

/// What a server tells of itself, in the order in which it happens; a pipe takes it whole or not at all.
struct Note {
  enum class What { kMade, kBegun, kDone } what;
  JobId id;
  bool maybe_begun;
  int lane;  ///< -1: none
};

void tell(int pipe, Note note) {
  if (::write(pipe, &note, sizeof note) != sizeof note) ::_exit(3);
}

Kind told(int pipe) {
  Kind kind;
  kind.name = "chaos";
  kind.at_once = 200;
  kind.tries = 1'000;
  kind.handler = [pipe](Firing firing) -> asio::awaitable<Result<Next>> {
    const int lane = std::atoi(firing.payload.c_str());
    tell(pipe, {Note::What::kBegun, firing.id, firing.maybe_begun, lane});
    co_await sleep_for(std::chrono::milliseconds{firing.id / 1024 % 4});
    tell(pipe, {Note::What::kDone, firing.id, firing.maybe_begun, lane});
    co_return Next::done();
  };
  return kind;
}

/// Work for now, one-shots for soon, and lanes, all mixed.
std::vector<NewJob> mixture(TimePoint now) {
  std::vector<NewJob> jobs;
  for (int i = 0; i < 20; ++i) {
    auto made = job("chaos", "-1");
    if (i % 4 == 1) made.due = now + std::chrono::milliseconds{i * 5};
    if (i % 4 == 2) {
      made.payload = std::to_string(i % kLanes);
      made.lane = "lane " + made.payload;
    }
    jobs.push_back(std::move(made));
  }
  return jobs;
}

asio::awaitable<void> make_for_ever(Service* service, const Clock* clock, int pipe) {
  while (true) {
    auto jobs = mixture(clock->now());
    auto lanes = jobs;
    auto ids = co_await service->enqueue_all(std::move(jobs));
    if (!ids) ::_exit(4);
    for (std::size_t i = 0; i < ids->size(); ++i) {
      tell(pipe,
           {Note::What::kMade, (*ids)[i], false, lanes[i].lane.empty() ? -1 : std::atoi(lanes[i].payload.c_str())});
    }
    co_await sleep_for(3ms);
  }
}

/// Ends only by being killed.
[[noreturn]] void be_the_server(const std::string& url, int pipe) {
  auto store = store::open(url);
  if (!store) ::_exit(2);
  net::Loops loops(1);
  SystemClock clock;
  Service service(Options{}, Parts{loops.home(), **store, clock});
  service.declare(told(pipe));
  auto begin = [](Service* own) -> asio::awaitable<bool> {
    auto started = co_await own->start();
    co_return started.has_value();
  };
  if (!asio::co_spawn(loops.home(), begin(&service), asio::use_future).get()) ::_exit(5);
  asio::co_spawn(loops.home(), make_for_ever(&service, &clock, pipe), asio::use_future).get();
  ::_exit(6);
}

/// What all servers together have told.
struct Ledger {
  std::set<JobId> made, done;
  std::map<JobId, int> begun;
  std::map<int, std::vector<JobId>> lanes;  ///< first begins
  int untold = 0;

  void add(const Note& note) {
    if (note.what == Note::What::kMade) made.insert(note.id);
    if (note.what == Note::What::kDone) done.insert(note.id);
    if (note.what != Note::What::kBegun) return;
    if (++begun[note.id] > 1 && !note.maybe_begun) ++untold;
    if (note.lane >= 0 && begun[note.id] == 1) lanes[note.lane].push_back(note.id);
  }
  bool all_done() const { return std::ranges::includes(done, made); }
};

/// Reads until the pipe is closed, or `stop` says that it is enough.
void read_notes(int pipe, Ledger& ledger, const std::function<bool()>& stop) {
  Note note{};
  while (!stop() && ::read(pipe, &note, sizeof note) == sizeof note) ledger.add(note);
}

class R8_2_Chaos : public ::testing::TestWithParam<Backend> {};

TEST_P(R8_2_Chaos, KilledAgainAndAgainEveryJobFiresAndNoneTwiceUntold) {
  const Database database(GetParam());
  const auto url = database.url();
  Ledger ledger;
  for (int round = 0; round < kRounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) be_the_server(url, ends[1]);
    ::close(ends[1]);
    const auto wanted = ledger.done.size() + 100 + static_cast<std::size_t>(round) * 37;
    read_notes(ends[0], ledger, [&] { return ledger.done.size() >= wanted; });
    EXPECT_GE(ledger.done.size(), wanted) << "the server ended by itself";
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    read_notes(ends[0], ledger, [] { return false; });
    ::close(ends[0]);
  }
  // One last server makes nothing new and is left alone until all is done.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    auto store = store::open(url);
    ASSERT_TRUE(store);
    net::Loops loops(1);
    SystemClock clock;
    Service service(Options{}, Parts{loops.home(), **store, clock});
    service.declare(told(ends[1]));
    ASSERT_TRUE(asio::co_spawn(loops.home(), service.start(), asio::use_future).get());
    // Jobs that were on disk without the answer having been told are done as well: they are begun without having been
    // made.
    read_notes(ends[0], ledger, [&] { return ledger.all_done(); });
    asio::co_spawn(loops.home(), service.close(), asio::use_future).get();
    (*store)->close();
    loops.stop();
  }
  EXPECT_TRUE(ledger.all_done());
  EXPECT_EQ(ledger.untold, 0) << "a handler ran a second time and was not told that this can be";
  EXPECT_GT(ledger.made.size(), 1'000u);
  for (const auto& [lane, ids] : ledger.lanes) EXPECT_TRUE(std::ranges::is_sorted(ids)) << "lane " << lane;
}

INSTANTIATE_TEST_SUITE_P(On, R8_2_Chaos, ::testing::Values(Backend::kSqlite, Backend::kPostgresql), name_of);

}  // namespace
}  // namespace tiltyard::jobs
