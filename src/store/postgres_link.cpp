#include "store/postgres_link.h"

#include <algorithm>

#include "base/backoff.h"
#include "observe/log.h"

namespace tiltyard::store {

void PostgresShared::nap(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  closing_.wait_for(lock, time, [this] { return closed_; });
}

void PostgresShared::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  closing_.notify_all();
}

bool PostgresShared::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool PostgresShared::just_failed() const {
  const std::lock_guard lock(mutex_);
  return std::chrono::steady_clock::now() - failed_at_ < std::chrono::seconds{1};
}

void PostgresShared::note_failure() {
  const std::lock_guard lock(mutex_);
  failed_at_ = std::chrono::steady_clock::now();
}

namespace {

std::unexpected<Error> away(std::string cause) {
  return fail(Code::kUnavailable, "store-failed", "The database is away. Try again.", std::move(cause));
}

}  // namespace

Result<> PostgresLink::ensure(std::chrono::steady_clock::time_point deadline) {
  if (connection_ != nullptr && connection_->lost()) {
    log::warn("store", "A connection to the database was lost.", {{"database", shared_.target.shown}});
    drop();
  }
  if (connection_ != nullptr) return {};
  const bool in_haste = shared_.closed() || std::chrono::steady_clock::now() > deadline;
  // The first one is tried in any case: why it fails is what an operator needs to know.
  if (had_one_ && in_haste && shared_.just_failed()) return away("another connection has just failed");
  Growing pause(std::chrono::milliseconds{20}, std::chrono::milliseconds{500});
  while (true) {
    auto connected = connect();
    if (connected) return {};
    if (shared_.closed() || std::chrono::steady_clock::now() + pause.peek() > deadline) return connected;
    shared_.nap(pause.next());
  }
}

Result<> PostgresLink::connect() {
  try {
    connection_ = std::make_unique<PostgresConnection>(shared_.target, use_, shared_.watch);
  } catch (const std::exception& failure) {
    shared_.note_failure();
    return away(failure.what());
  }
  if (had_one_) shared_.lost.add();
  had_one_ = true;
  return {};
}

}  // namespace tiltyard::store
