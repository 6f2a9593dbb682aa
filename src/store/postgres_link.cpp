#include "store/postgres_link.h"

#include <algorithm>

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

Result<> PostgresLink::ensure(std::chrono::steady_clock::time_point deadline) {
  if (connection_ != nullptr && connection_->lost()) {
    log::warn("store", "A connection to the database was lost.", {{"database", shared_.target.shown}});
    drop();
  }
  if (connection_ != nullptr) return {};
  std::chrono::milliseconds pause{20};
  while (true) {
    auto connected = connect();
    if (connected) return {};
    if (shared_.closed() || std::chrono::steady_clock::now() + pause > deadline) return connected;
    shared_.nap(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds{500});
  }
}

Result<> PostgresLink::connect() {
  try {
    connection_ = std::make_unique<PostgresConnection>(shared_.target, use_, shared_.watch);
  } catch (const std::exception& failure) {
    return fail(Code::kUnavailable, "store-failed", "The database is away. Try again.", failure.what());
  }
  if (had_one_) shared_.lost.add();
  had_one_ = true;
  return {};
}

}  // namespace tiltyard::store
