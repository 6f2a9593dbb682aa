#include <soci/soci.h>

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "jobs/done_after.h"
#include "jobs/measures.h"
#include "jobs/number.h"
#include "jobs/state.h"
#include "observe/log.h"

namespace tiltyard::jobs {
namespace {

constexpr const char* kOwnKind = "jobs";
constexpr std::chrono::seconds kPruneEvery{30};
/// How far back a look reaches for jobs of other servers: longer than nearly every write takes from its first statement
/// to its commit.
constexpr std::int64_t kLookBack = 3'000'000;
/// Every so many looks, further than any write takes; and at everything.
constexpr std::int64_t kLongLookBack = 20'000'000;
constexpr int kLongLookEvery = 10, kWholeLookEvery = 300;
constexpr std::chrono::milliseconds kPagePause{5};
/// "For ever", for a server that has its database to itself.
constexpr std::int64_t kNoEnd = 253'402'300'799'000'000;

}  // namespace

Service::State::State(Options o, Parts p)
    : options(std::move(o)),
      parts(std::move(p)),
      lineup(to_micros(parts.clock.now())),
      news(parts.home),
      clock_changed(parts.home),
      deadlines(to_micros(parts.clock.now()) / 1000) {}

Service::Service(Options options, Parts parts) : state_(std::make_shared<State>(std::move(options), std::move(parts))) {
  state_->declare_own();
}
Service::~Service() = default;

void Service::declare(Kind kind) {
  auto& line = state_->lineup.line(kind.name);
  line.kind = kind;
  line.known = true;
  const auto name = kind.name;
  const bool fresh = state_->declared.emplace(name, std::make_shared<Declared>(std::move(kind))).second;
  if (!fresh) throw std::logic_error("two kinds of jobs are called " + name);
}

void Service::declare(Recurring recurring) {
  if (!state_->declared.contains(recurring.kind)) throw std::logic_error("no kind of jobs is called " + recurring.kind);
  state_->recurring.push_back(std::move(recurring));
}

void Service::declare_poll(Kind kind, std::chrono::milliseconds period) {
  const auto name = kind.name;
  kind.at_once = 1;
  declare(std::move(kind));
  auto schedule = Schedule::every(period);
  if (!schedule) throw std::logic_error(schedule.error().message);
  declare(Recurring{name, name, {}, std::move(*schedule), Keep::kMemory, Duration{}});
}

/// What the service itself does by time.
void Service::State::declare_own() {
  Kind own;
  own.name = kOwnKind;
  own.about = "Removes old firings, and looks for what other servers left or made.";
  own.at_once = 2;
  own.handler = [this](const Firing& firing) { return done_after(firing.payload == "prune" ? prune() : look()); };
  lineup.line(own.name).kind = own;
  lineup.line(own.name).known = true;
  declared.emplace(own.name, std::make_shared<Declared>(own));
  recurring.push_back({kOwnKind, "prune", "prune", *Schedule::every(kPruneEvery), Keep::kMemory});
}

asio::awaitable<Result<>> Service::start() {
  const auto state = state_;
  if (!state->alone())
    state->recurring.push_back({kOwnKind, "look", "look", *Schedule::every(state->options.look_every), Keep::kMemory});
  state->listener =
      state->parts.store.listen(kChannel, state->parts.home, [weak = std::weak_ptr(state)](const store::News& news) {
        if (const auto live = weak.lock()) live->hear(news);
      });
  auto taken = co_await state->take_over();
  if (!taken) co_return taken;
  auto written = co_await state->write_schedules();
  if (!written) co_return written;
  auto loaded = co_await state->load();
  if (!loaded) co_return loaded;
  state->line_up_light();
  metrics::on_collect([weak = std::weak_ptr(state)] {
    if (const auto live = weak.lock()) live->count_kinds();
  });
  state->gate.spawn(state->parts.home, "jobs", state->pump());
  state->gate.spawn(state->parts.home, "clock of jobs", state->clock_loop());
  co_return Result<>{};
}

asio::awaitable<void> Service::close() {
  const auto state = state_;
  state->draining = true;
  const auto end = std::chrono::steady_clock::now() + state->options.drain_for;
  const auto left = [&] { return !state->running.empty() || !state->ended.empty(); };
  while (left() && std::chrono::steady_clock::now() < end) co_await sleep_for(std::chrono::milliseconds{5});
  for (const auto& [id, run] : std::vector(state->running.begin(), state->running.end())) stop(*run);
  // What was cancelled says so within a turn of the loop or two; what does not listen is left to the next start.
  for (int i = 0; i < 20 && left(); ++i) co_await sleep_for(std::chrono::milliseconds{5});
  co_await state->gate.close();
  state->listener.reset();
  std::vector<JobId> held;
  for (const auto& [id, run] : state->running) {
    if (id >= 0 && !run->begun) held.push_back(id);
  }
  auto work = [me = state->worker, held, batch = std::exchange(state->ended, {}),
               node = state->options.node](soci::session& sql) -> Result<> {
    rows::settle(sql, me, node, batch);
    rows::release(sql, me, held);
    rows::sign_out_if_idle(sql, me);
    return {};
  };
  if (state->worker == 0) co_return;
  auto written = co_await state->parts.store.write(std::move(work));
  if (!written)
    log::warn("jobs", "the last jobs could not be settled; the next start gives them back",
              {{"reason", written.error().reason}});
}

asio::awaitable<Result<>> Service::State::take_over() {
  worker = next_number();
  const auto at = now();
  seen_until = alone() ? kNoEnd : at + Duration(options.lease).count();
  std::map<std::string, int> tries;
  for (const auto& [name, kind] : declared) tries[name] = kind->kind.tries;
  auto work = [me = worker, node = options.node, at, until = seen_until,
               tries](soci::session& sql) -> Result<std::size_t> {
    rows::sign_in(sql, me, node, until);
    return rows::give_back(sql, me, node, at, tries);
  };
  auto back = co_await parts.store.write(std::move(work), store::Order::kLoose);
  if (!back) co_return fail(std::move(back.error()));
  if (*back > 0) log::warn("jobs", "jobs of a server that has ended were given back", {{"jobs", *back}});
  co_return Result<>{};
}

TimePoint Service::State::first_of(const Recurring& recurring) const {
  const auto now = parts.clock.now();
  const auto first = recurring.schedule.first(now);
  return recurring.after_start ? std::min(first, now + *recurring.after_start) : first;
}

asio::awaitable<Result<>> Service::State::write_schedules() {
  std::vector<std::pair<rows::Fresh, bool>> wanted;
  for (const auto& one : recurring) {
    if (one.keep == Keep::kMemory) continue;
    rows::Fresh job;
    job.id = next_number();
    job.kind = one.kind;
    job.payload = one.payload;
    job.unique = one.name;
    job.schedule = one.schedule.text();
    job.due = to_micros(first_of(one));
    job.made_at = now();
    job.priority = declared.at(one.kind)->kind.priority;
    wanted.emplace_back(std::move(job), one.after_start.has_value());
  }
  auto work = [wanted = std::move(wanted)](soci::session& sql) -> Result<> {
    for (const auto& [job, soon] : wanted) rows::keep_schedule(sql, job, soon);
    return {};
  };
  co_return co_await parts.store.write(std::move(work));
}

void Service::State::line_up_light() {
  JobId id = 0;
  for (const auto& one : recurring) {
    if (one.keep == Keep::kDisk) continue;
    light.emplace(--id, Light{one, false});
    auto& line = lineup.line(one.kind);
    lineup.learn({id, &line, to_micros(first_of(one)), 0, line.kind.priority, 0, 0});
  }
}

/// Only where several servers share the database: says that we live, takes over from who does not, finds what was not
/// told.
asio::awaitable<Result<>> Service::State::look() {
  const auto at = now();
  const auto until = at + Duration(options.lease).count();
  std::map<std::string, int> tries;
  for (const auto& [name, kind] : declared) tries[name] = kind->kind.tries;
  const bool whole = ++looks % kWholeLookEvery == 0;
  struct Seen {
    bool alive = false;
    std::size_t back = 0;
  };
  // A short write: whoever claims jobs waits for it.
  auto work = [me = worker, at, until, node = options.node, tries](soci::session& sql) -> Result<Seen> {
    Seen seen;
    seen.alive = rows::heartbeat(sql, me, until);
    if (seen.alive) seen.back = rows::give_back(sql, me, node, at, tries);
    return seen;
  };
  auto seen = co_await parts.store.write(std::move(work), store::Order::kLoose);
  if (!seen) {
    if (now() > seen_until) lose_claims();
    co_return fail(std::move(seen.error()));
  }
  if (!seen->alive) {
    co_await start_over();
    co_return Result<>{};
  }
  seen_until = until;
  const auto reach = looks % kLongLookEvery == 0 ? kLongLookBack : kLookBack;
  co_return co_await read_after(whole || seen->back > 0 ? 0 : number_at(at - reach), kPagePause);
}

asio::awaitable<void> Service::State::start_over() {
  lose_claims();
  auto again = co_await take_over();
  if (!again)
    log::warn("jobs", "this server cannot sign in again yet",
              {{"reason", again.error().reason}, {"cause", again.error().cause}});
}

/// The others take us for dead: what runs is theirs now.
void Service::State::lose_claims() {
  log::error("jobs", "this server was not heard of for too long; what it ran is given to others",
             {{"jobs", running.size()}});
  const auto all = running;
  for (const auto& [id, run] : all) {
    if (id < 0) continue;
    run->abandoned = true;
    deadlines.remove(run->deadline);
    stop(*run);
    running.erase(id);
    if (!run->begun) --run->line->running;
  }
  armed = {};
}

asio::awaitable<Result<>> Service::State::prune() {
  const auto before = now() - Duration(options.keep_firings).count();
  auto work = [before, most = options.most_firings](soci::session& sql) -> Result<std::size_t> {
    return rows::prune_firings(sql, before, most);
  };
  auto gone = co_await parts.store.write(std::move(work));
  if (!gone) co_return fail(std::move(gone.error()));
  co_return Result<>{};
}

void Service::State::count_kinds() const {
  for (const auto& [name, line] : lineup.lines()) {
    const auto set = [&](const char* state, std::size_t count) {
      metrics::gauge(measures::kJobs, {name, state}).set(static_cast<double>(count));
    };
    set("waiting", line->waiting);
    set("running", line->running);
    set("failed", line->dead);
  }
}

void Service::poke(std::string_view kind) {
  for (auto& [id, own] : state_->light) {
    if (own.recurring.kind != kind) continue;
    if (const auto* waits = state_->lineup.find(id)) {
      auto job = *waits;
      job.due = std::min(job.due, state_->now());
      state_->lineup.learn(job);
      state_->news.pulse();
    } else {
      own.poked = true;
    }
  }
}

}  // namespace tiltyard::jobs
