#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "observe/log.h"
#include "store/measures.h"
#include "store/migrate.h"
#include "store/reader.h"
#include "store/sqlite_store.h"
#include "store/submit.h"
#include "store/writer.h"

namespace tiltyard::store {
namespace {

constexpr std::size_t kReaders = 4;
constexpr std::size_t kQueueLimit = 10'000;
/// Bounds how long the first write of a group waits for the last.
constexpr std::size_t kGroupLimit = 1024;

/// See store.h. The threads start in `open` and end in `close`.
class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::string path)
      : path_(std::move(path)),
        writes_(kQueueLimit),
        reads_(kQueueLimit),
        writer_(path_, hub_),
        writes_waiting_(metrics::gauge(measures::kQueue, {"write"})),
        reads_waiting_(metrics::gauge(measures::kQueue, {"read"})) {
    threads_.emplace_back([this] { write_loop(); });
    for (std::size_t i = 0; i < kReaders; ++i) threads_.emplace_back([this] { read_loop(); });
  }
  ~SqliteStore() override { close(); }

  Dialect dialect() const override { return Dialect::kSqlite; }

  std::unique_ptr<Listener> listen(std::string channel, asio::any_io_executor executor, Listener::Told told) override {
    return hub_.listen(std::move(channel), std::move(executor), std::move(told));
  }

  Result<> migrate(const std::vector<Slice>& slices) override { return migrate_sqlite(path_, slices); }

  /// One server per file: the lock of the data folder sees to it.
  Result<> claim(std::function<void()>) override { return {}; }

  asio::awaitable<Result<>> check() override { co_return co_await beat(*this); }

  asio::awaitable<Result<>> backup(std::string to) override {
    AnyWork copy = [path = path_, to = std::move(to)](soci::session&) -> Result<Store::AnyValue> {
      if (auto copied = copy_database(path, to); !copied) return fail(copied.error());
      return Store::AnyValue{};
    };
    Result<Store::AnyValue> outcome = co_await run_read(std::move(copy));
    if (!outcome) co_return fail(std::move(outcome.error()));
    co_return Result<>{};
  }

  void close() override {
    writes_.close();
    reads_.close();
    std::lock_guard lock(closing_);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 protected:
  asio::awaitable<Result<Store::AnyValue>> run_read(AnyWork work) override { return submit(reads_, std::move(work)); }
  asio::awaitable<Result<Store::AnyValue>> run_write(AnyWork work, Order) override {
    return submit(writes_, std::move(work));
  }

 private:
  void write_loop() {
    pthread_setname_np(pthread_self(), "store-write");
    while (true) {
      std::vector<Task> group = writes_.take(kGroupLimit);
      if (group.empty()) return;
      writer_.run(std::move(group));
      writes_waiting_.set(static_cast<double>(writes_.size()));
    }
  }

  void read_loop() {
    pthread_setname_np(pthread_self(), "store-read");
    Reader reader(path_);
    while (true) {
      std::vector<Task> next = reads_.take(1);
      if (next.empty()) return;
      reader.run(std::move(next.front()));
      reads_waiting_.set(static_cast<double>(reads_.size()));
    }
  }

  const std::string path_;
  TaskQueue writes_;
  TaskQueue reads_;
  Hub hub_;
  Writer writer_;
  metrics::Gauge writes_waiting_;
  metrics::Gauge reads_waiting_;
  std::mutex closing_;
  std::vector<std::thread> threads_;
};

/// The file holds password hashes and tokens' digests: its owner alone may read it. SQLite gives -wal and -shm its
/// mode.
Result<> create_file(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failure;
  if (!folder.empty()) std::filesystem::create_directories(folder, failure);
  if (failure) {
    return fail(Code::kUnavailable, "store-unopened", "The database's folder cannot be made: " + folder.string(),
                failure.message());
  }
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return fail(Code::kUnavailable, "store-unopened", "The database cannot be opened: " + path, std::strerror(errno));
  }
  ::close(file);
  return {};
}

Result<> create_own_tables(const std::string& path) {
  Connection connection(path, Connection::Use::kWrite);
  return connection.execute(
      "CREATE TABLE IF NOT EXISTS store_heartbeat (id INTEGER PRIMARY KEY CHECK (id = 1), beat_at BIGINT NOT NULL);"
      "CREATE TABLE IF NOT EXISTS store_identity (id INTEGER PRIMARY KEY CHECK (id = 1), server TEXT NOT NULL)");
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(const std::string& url) {
  constexpr std::string_view kScheme = "sqlite:";
  const std::string path = url.starts_with(kScheme) ? url.substr(kScheme.size()) : "";
  // SOCI takes the path in quotes; SQLite would take ":memory:" and "file:" for something else than a path.
  if (path.empty() || path.starts_with(':') || path.starts_with("file:") || path.contains('"')) {
    return fail(Code::kInvalid, "store-url",
                "A database is named sqlite:PATH or postgresql://USER:PASSWORD@HOST/DATABASE.");
  }
  if (auto created = create_file(path); !created) return fail(created.error());
  try {
    if (auto created = create_own_tables(path); !created) return fail(created.error());
    return std::make_unique<SqliteStore>(path);
  } catch (const std::exception& failure) {
    return fail(Code::kUnavailable, "store-unopened", "The database cannot be opened: " + path, failure.what());
  }
}

}  // namespace tiltyard::store
