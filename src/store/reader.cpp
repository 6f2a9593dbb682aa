#include "store/reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "observe/log.h"
#include "store/measures.h"

namespace tiltyard::store {

Reader::Reader(std::string path)
    : path_(std::move(path)),
      read_seconds_(metrics::histogram(measures::kReadSeconds,
                                       {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5})) {}

void Reader::run(Task task) {
  Result<Store::AnyValue> outcome = run_in_snapshot(task);
  read_seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - task.queued).count());
  task.complete(std::move(outcome));
}

Result<Store::AnyValue> Reader::run_in_snapshot(Task& task) {
  try {
    if (connection_ == nullptr) connection_ = std::make_unique<Connection>(path_, Connection::Use::kRead);
  } catch (const std::exception& failure) {
    return fail(Code::kUnavailable, "store-failed", "The database cannot be opened.", failure.what());
  }
  if (auto begun = connection_->execute("BEGIN"); !begun) return fail(begun.error());
  Result<Store::AnyValue> outcome = run_guarded(*connection_, task.work);
  if (connection_->in_transaction() && !connection_->execute("ROLLBACK")) {
    log::warn("store", "A reading connection could not end its transaction; it is opened anew.");
    connection_.reset();
  }
  return outcome;
}

namespace {

Result<> sync_path(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (synced) return {};
  return fail(Code::kUnavailable, "backup-failed", "The back-up could not be brought to disk: " + path);
}

Result<> vacuum_into(const std::string& path, const std::string& part) {
  try {
    Connection connection(path, Connection::Use::kMigrate);
    connection.session() << "VACUUM INTO :part", soci::use(part, "part");
    return {};
  } catch (const soci::sqlite3_soci_error& failure) {
    return fail(error_of(failure.result(), failure.what()));
  } catch (const std::exception& failure) {
    return fail(Code::kUnavailable, "backup-failed", "The back-up failed.", failure.what());
  }
}

}  // namespace

Result<> copy_database(const std::string& path, const std::string& to) {
  namespace fs = std::filesystem;
  std::error_code failure;
  if (fs::exists(to, failure)) return fail(Code::kConflict, "backup-exists", "There is a file already: " + to);
  const std::string part = to + ".part";
  fs::remove(part, failure);
  // SQLite would give the copy the process's usual mode; it takes an empty file that is there, and with it our mode.
  const int file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return fail(Code::kUnavailable, "backup-failed", "The back-up's file cannot be made: " + part);
  ::close(file);
  auto copied = vacuum_into(path, part);
  if (copied) copied = sync_path(part);
  if (copied) {
    fs::rename(part, to, failure);
    if (failure) copied = fail(Code::kUnavailable, "backup-failed", "The back-up cannot be named.", failure.message());
  }
  if (!copied) {
    fs::remove(part, failure);
    return copied;
  }
  const fs::path folder = fs::path(to).parent_path();
  return sync_path(folder.empty() ? "." : folder.string());
}

}  // namespace tiltyard::store
