#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "observe/log.h"
#include "store/migrate.h"
#include "store/reader.h"
#include "store/writer.h"

namespace tiltyard::store {
namespace {

constexpr std::size_t kReaders = 4;
constexpr std::size_t kQueueLimit = 10'000;
/// Bounds how long the first write of a group waits for the last.
constexpr std::size_t kGroupLimit = 1024;

using Answer = void(Result<Store::AnyValue>);

/// The way back: the answer is posted to the caller's executor, which must not run out of work meanwhile.
template <class Handler>
std::move_only_function<Answer> answer_on_callers_executor(Handler handler) {
  asio::any_io_executor executor = asio::get_associated_executor(handler);
  asio::any_io_executor working = asio::prefer(executor, asio::execution::outstanding_work.tracked);
  return [handler = std::move(handler), working = std::move(working)](Result<Store::AnyValue> outcome) mutable {
    asio::post(working, [handler = std::move(handler), outcome = std::move(outcome)]() mutable {
      std::move(handler)(std::move(outcome));
    });
  };
}

asio::awaitable<Result<Store::AnyValue>> submit(JobQueue& queue, Store::AnyWork work) {
  auto start = [&queue](auto handler, Store::AnyWork job_work) {
    Job job{std::move(job_work), answer_on_callers_executor(std::move(handler)), std::chrono::steady_clock::now()};
    switch (queue.push(job)) {
      case JobQueue::Admission::kTaken: return;
      case JobQueue::Admission::kFull:
        job.complete(fail(Code::kUnavailable, "store-busy", "Too much waits for the database. Try again."));
        return;
      case JobQueue::Admission::kClosed:
        job.complete(fail(Code::kUnavailable, "shutting-down", "The server is stopping."));
        return;
    }
  };
  Result<Store::AnyValue> outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>, Answer>(
      std::move(start), asio::use_awaitable, std::move(work));
  co_return outcome;
}

/// See store.h. The threads start in `open` and end in `close`.
class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::string path)
      : path_(std::move(path)),
        writes_(kQueueLimit),
        reads_(kQueueLimit),
        writer_(path_),
        writes_waiting_(metrics::gauge("tiltyard_store_queue", "Work that waits for the store.", {{"kind", "write"}})),
        reads_waiting_(metrics::gauge("tiltyard_store_queue", "Work that waits for the store.", {{"kind", "read"}})) {
    threads_.emplace_back([this] { write_loop(); });
    for (std::size_t i = 0; i < kReaders; ++i) threads_.emplace_back([this] { read_loop(); });
  }
  ~SqliteStore() override { close(); }

  Result<> migrate(const std::vector<Migration>& migrations) override { return migrate_sqlite(path_, migrations); }

  asio::awaitable<Result<>> check() override {
    const long long now = to_micros(SystemClock().now());
    auto beat = [now](soci::session& sql) -> Result<> {
      sql << "INSERT INTO store_heartbeat (id, beat_at) VALUES (1, :now) "
             "ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at",
          soci::use(now, "now");
      return {};
    };
    co_return co_await write(beat);
  }

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
  asio::awaitable<Result<Store::AnyValue>> run_write(AnyWork work) override { return submit(writes_, std::move(work)); }

 private:
  void write_loop() {
    pthread_setname_np(pthread_self(), "store-write");
    while (true) {
      std::vector<Job> group = writes_.take(kGroupLimit);
      if (group.empty()) return;
      writer_.run(std::move(group));
      writes_waiting_.set(static_cast<double>(writes_.size()));
    }
  }

  void read_loop() {
    pthread_setname_np(pthread_self(), "store-read");
    Reader reader(path_);
    while (true) {
      std::vector<Job> next = reads_.take(1);
      if (next.empty()) return;
      reader.run(std::move(next.front()));
      reads_waiting_.set(static_cast<double>(reads_.size()));
    }
  }

  const std::string path_;
  JobQueue writes_;
  JobQueue reads_;
  Writer writer_;
  metrics::Gauge writes_waiting_;
  metrics::Gauge reads_waiting_;
  std::mutex closing_;
  std::vector<std::thread> threads_;
};

/// The file holds password hashes and tokens' digests: its owner alone may read it. SQLite gives -wal and -shm its mode.
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
      "CREATE TABLE IF NOT EXISTS store_heartbeat (id INTEGER PRIMARY KEY CHECK (id = 1), beat_at BIGINT NOT NULL)");
}

}  // namespace

Result<std::unique_ptr<Store>> open(const std::string& url) {
  constexpr std::string_view kScheme = "sqlite:";
  const std::string path = url.starts_with(kScheme) ? url.substr(kScheme.size()) : "";
  // SOCI takes the path in quotes; SQLite would take ":memory:" and "file:" for something else than a path.
  if (path.empty() || path.starts_with(':') || path.starts_with("file:") || path.contains('"')) {
    return fail(Code::kInvalid, "store-url", "A database is named sqlite:PATH, not \"" + url + "\".");
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
