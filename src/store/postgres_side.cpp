#include "store/postgres_side.h"

#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "observe/log.h"
#include "store/postgres_locks.h"

namespace tiltyard::store {
namespace {

/// How long `claim` waits for the last holder: PostgreSQL needs a moment to notice that a killed server has gone.
constexpr std::chrono::seconds kClaimPatience{10};
constexpr std::chrono::milliseconds kClaimPause{250}, kReconnectPause{250}, kLookEvery{1000};

const std::string kHolder = fmt::format(
    "SELECT coalesce(string_agg(application_name || coalesce(' at ' || host(client_addr), ''), ', '), 'a server that "
    "is just leaving') "
    "FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid "
    "= {} AND objid = {} "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
    kLockClass, kClaimLock);

}  // namespace

PostgresSide::PostgresSide(PostgresShared& shared)
    : shared_(shared),
      link_(shared, PostgresConnection::Use::kWrite),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { loop(); }) {}

PostgresSide::~PostgresSide() {
  close();
  ::close(wake_);
}

void PostgresSide::close() {
  shared_.close();
  wake();
  if (thread_.joinable()) thread_.join();
}

void PostgresSide::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

std::unique_ptr<Listener> PostgresSide::listen(std::string channel, boost::asio::any_io_executor executor,
                                               Listener::Told told) {
  auto listener = hub_.listen(std::move(channel), std::move(executor), std::move(told));
  wake();
  return listener;
}

Result<> PostgresSide::claim(std::function<void()> lost) {
  std::unique_lock lock(mutex_);
  lost_ = std::move(lost);
  claim_ = Claim::kWanted;
  wake();
  claimed_.wait_for(lock, kClaimPatience, [this] { return claim_ != Claim::kWanted; });
  if (claim_ == Claim::kHeld) return {};
  claim_ = Claim::kNone;
  return fail(Code::kConflict, "store-claimed",
              fmt::format("Another server works on the database {} ({}). Stop it first, or give this one a database of "
                          "its own. When it has "
                          "died, this one can start.",
                          shared_.target.shown, holder_.empty() ? "the database did not say which" : holder_));
}

void PostgresSide::loop() {
  pthread_setname_np(pthread_self(), "store-side");
  while (!shared_.closed()) {
    if (!connected()) {
      shared_.nap(kReconnectPause);
      continue;
    }
    listen_to_new_channels();
    look_after_claim();
    wait_for_news();
  }
  link_.drop();
}

bool PostgresSide::connected() {
  if (!link_.ensure(std::chrono::steady_clock::now())) return false;
  if (!link_->fresh()) return true;
  listened_.clear();
  locked_ = false;
  return true;
}

/// What was said before the LISTEN has been missed.
void PostgresSide::listen_to_new_channels() {
  for (const auto& channel : hub_.channels()) {
    if (listened_.contains(channel)) continue;
    if (!link_->execute(fmt::format("LISTEN \"{}\"", channel))) return;
    listened_.insert(channel);
    hub_.tell(channel, {{}, true});
  }
}

void PostgresSide::look_after_claim() {
  Claim claim = Claim::kNone;
  {
    const std::lock_guard lock(mutex_);
    claim = claim_;
  }
  if (locked_ || claim == Claim::kNone || claim == Claim::kLost) return;
  auto locked = link_->execute(fmt::format("SELECT pg_try_advisory_lock({}, {})", kLockClass, kClaimLock));
  if (!locked) return;
  locked_ = *locked == "t";
  if (claim == Claim::kHeld) {
    confirm_claim(locked_);
  } else if (locked_) {
    if (auto taken = take_claim(); taken) set_claim(Claim::kHeld);
    else log::error("store", "The database could not be claimed.", {{"cause", taken.error().cause}});
  } else if (auto holder = link_->execute(kHolder)) {
    const std::lock_guard lock(mutex_);
    holder_ = *holder;
  }
}

/// A new term, between the strict writes of others: a writer of an older term, wherever it is, gets no further.
Result<> PostgresSide::take_claim() {
  auto term = link_->execute(
      fmt::format("BEGIN; SELECT pg_advisory_xact_lock({}, {}); UPDATE store_claim SET term = term + 1 RETURNING term",
                  kLockClass, kStrictLock));
  auto ended = link_->execute(term ? "COMMIT" : "ROLLBACK");
  if (!term) return fail(term.error());
  if (!ended) return fail(ended.error());
  shared_.term = std::atoll(term->c_str());
  return {};
}

/// After a lost connection: whether somebody else has claimed the database meanwhile.
void PostgresSide::confirm_claim(bool locked) {
  auto term = link_->execute("SELECT term FROM store_claim");
  if (!term) return;
  if (*term == std::to_string(shared_.term)) {
    if (locked) log::info("store", "The claim on the database holds again.", {});
    return;
  }
  log::error("store", "Another server has taken over the database.", {{"database", shared_.target.shown}});
  if (locked) (void)link_->execute(fmt::format("SELECT pg_advisory_unlock({}, {})", kLockClass, kClaimLock));
  set_claim(Claim::kLost);
  if (lost_) lost_();
}

void PostgresSide::set_claim(Claim claim) {
  {
    const std::lock_guard lock(mutex_);
    claim_ = claim;
  }
  claimed_.notify_all();
}

void PostgresSide::wait_for_news() {
  bool waiting_for_claim = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_for_claim = !locked_ && (claim_ == Claim::kWanted || claim_ == Claim::kHeld);
  }
  pollfd files[2] = {{PQsocket(link_->handle()), POLLIN, 0}, {wake_, POLLIN, 0}};
  ::poll(files, 2, static_cast<int>((waiting_for_claim ? kClaimPause : kLookEvery).count()));
  std::uint64_t woken = 0;
  (void)!::read(wake_, &woken, sizeof woken);
  if (PQconsumeInput(link_->handle()) == 0) return;  // lost; `connected` sees to it
  const auto free = [](PGnotify* news) { PQfreemem(news); };
  while (true) {
    const std::unique_ptr<PGnotify, decltype(free)> news(PQnotifies(link_->handle()), free);
    if (!news) return;
    hub_.tell(news->relname, {news->extra, false});
  }
}

}  // namespace tiltyard::store
