#include "store/checkpointer.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>

#include "observe/log.h"

namespace tiltyard::store {
namespace {

/// Pages in the WAL, of 4 KiB each: when the copying begins, and when the writer waits for its end.
constexpr int kBegin = 2000;
constexpr int kMost = 16'000;
constexpr off_t kFilled = off_t{3000} * (4096 + 24) + 32;

void copy(Connection& connection) {
  // Somebody else's (an operator's shell, a migration) may be under way: then there is another time.
  sqlite::sqlite3_wal_checkpoint_v2(connection.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

}  // namespace

Checkpointer::Checkpointer(std::string path) : path_(std::move(path)), thread_([this] { loop(); }) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kClosing;
  }
  changed_.notify_all();
  thread_.join();
}

void Checkpointer::look(Connection& writer) {
  if (writer.wal_pages() < kBegin) return;
  std::unique_lock lock(mutex_);
  if (writer.wal_pages() >= kMost) changed_.wait(lock, [this] { return state_ != State::kRunning; });
  if (state_ == State::kDone) {
    state_ = State::kIdle;
    copy(writer);
  } else if (state_ == State::kIdle) {
    state_ = State::kRunning;
    changed_.notify_all();
  }
}

void Checkpointer::loop() {
  ::pthread_setname_np(::pthread_self(), "store-checkpoint");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return state_ == State::kRunning || state_ == State::kClosing; });
    if (state_ == State::kClosing) return;
    lock.unlock();
    try {
      Connection connection(path_, Connection::Use::kRead);
      copy(connection);
    } catch (const std::exception& failure) {
      log::warn("store", "the WAL cannot be copied beside the writer", {{"cause", failure.what()}});
    }
    lock.lock();
    if (state_ == State::kClosing) return;
    state_ = State::kDone;
    changed_.notify_all();
  }
}

void fill_wal(const std::string& path) {
  const int file = ::open((path + "-wal").c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  const std::string zeros(1 << 20, '\0');
  const off_t had = ::lseek(file, 0, SEEK_END);
  off_t at = had;
  while (at < kFilled) {
    const auto written =
        ::pwrite(file, zeros.data(), std::min<std::size_t>(zeros.size(), static_cast<std::size_t>(kFilled - at)), at);
    if (written <= 0) break;
    at += written;
  }
  // Where there is no space for it, what there is belongs to the data.
  if (at < kFilled && ::ftruncate(file, had) != 0) log::warn("store", "the WAL keeps the disk's last space");
  ::fdatasync(file);
  ::close(file);
}

}  // namespace tiltyard::store
