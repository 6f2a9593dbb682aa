#include "store/postgres_store.h"

#include <pthread.h>

#include <mutex>
#include <thread>
#include <vector>

#include "observe/log.h"
#include "store/measures.h"
#include "store/postgres_migrate.h"
#include "store/postgres_reader.h"
#include "store/postgres_side.h"
#include "store/postgres_writer.h"
#include "store/submit.h"

namespace tiltyard::store {
namespace {

constexpr std::size_t kPgReaders = 4;
constexpr std::size_t kLooseWriters = 3;
constexpr std::size_t kPgQueueMax = 10'000;
/// PostgreSQL keeps 64 numbers of savepoints at hand for each transaction; more make every snapshot of others slow.
constexpr std::size_t kPgGroupLimit = 256;
/// Smaller, so that several writers get something to do.
constexpr std::size_t kLooseGroupLimit = 64;

metrics::Gauge queue_gauge(const char* kind) { return metrics::gauge(measures::kQueue, {kind}); }

/// See store.h. The threads start in `open` and end in `close`; a connection is opened when its thread first needs it.
class PostgresStore final : public Store {
 public:
  explicit PostgresStore(PostgresTarget target)
      : shared_(std::move(target)), strict_(kPgQueueMax), loose_(kPgQueueMax), reads_(kPgQueueMax), side_(shared_) {
    threads_.emplace_back([this] { write_loop(strict_, Order::kStrict, kPgGroupLimit, queue_gauge("write")); });
    for (std::size_t i = 0; i < kLooseWriters; ++i) {
      threads_.emplace_back([this] { write_loop(loose_, Order::kLoose, kLooseGroupLimit, queue_gauge("loose")); });
    }
    for (std::size_t i = 0; i < kPgReaders; ++i) threads_.emplace_back([this] { read_loop(queue_gauge("read")); });
  }
  ~PostgresStore() override { close(); }

  Dialect dialect() const override { return Dialect::kPostgresql; }

  std::unique_ptr<Listener> listen(std::string channel, asio::any_io_executor executor, Listener::Told told) override {
    return side_.listen(std::move(channel), std::move(executor), std::move(told));
  }

  Result<> prepare() { return make_postgres_tables(shared_); }
  Result<> migrate(const std::vector<Slice>& slices) override { return migrate_postgres(shared_, slices); }
  Result<> claim(std::function<void()> lost) override { return side_.claim(std::move(lost)); }

  asio::awaitable<Result<>> check() override { co_return co_await beat(*this); }

  asio::awaitable<Result<>> backup(std::string) override {
    co_return fail(Code::kConflict, "store-unsupported",
                   "PostgreSQL has its own tools for back-ups: pg_dump, or a base back-up with the log.");
  }

  void close() override {
    for (auto* queue : {&strict_, &loose_, &reads_}) queue->close();
    shared_.close();
    const std::lock_guard lock(closing_);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    side_.close();
  }

 protected:
  asio::awaitable<Result<AnyValue>> run_read(AnyWork work) override { return submit(reads_, std::move(work)); }
  asio::awaitable<Result<AnyValue>> run_write(AnyWork work, Order order) override {
    return submit(order == Order::kStrict ? strict_ : loose_, std::move(work));
  }

 private:
  void write_loop(TaskQueue& queue, Order order, std::size_t limit, metrics::Gauge waiting) {
    pthread_setname_np(pthread_self(), order == Order::kStrict ? "store-write" : "store-loose");
    PostgresWriter writer(shared_, order);
    while (true) {
      std::vector<Task> group = queue.take(limit);
      if (group.empty()) return;
      writer.run(std::move(group));
      waiting.set(static_cast<double>(queue.size()));
    }
  }

  void read_loop(metrics::Gauge waiting) {
    pthread_setname_np(pthread_self(), "store-read");
    PostgresReader reader(shared_);
    while (true) {
      std::vector<Task> next = reads_.take(1);
      if (next.empty()) return;
      reader.run(std::move(next.front()));
      waiting.set(static_cast<double>(reads_.size()));
    }
  }

  PostgresShared shared_;
  TaskQueue strict_;
  TaskQueue loose_;
  TaskQueue reads_;
  PostgresSide side_;
  std::mutex closing_;
  std::vector<std::thread> threads_;
};

/// libpq says why it could not connect, in English and without the password: the operator needs it.
Error unopened(const PostgresTarget& target, std::string cause) {
  Error error{
      Code::kUnavailable, "store-unopened", "The database cannot be opened: " + target.shown, std::move(cause), {}};
  return error;
}

}  // namespace

Result<std::unique_ptr<Store>> open_postgres(const std::string& url) {
  auto target = postgres_target(url);
  if (!target) return fail(std::move(target.error()));
  auto store = std::make_unique<PostgresStore>(*target);
  auto prepared = store->prepare();
  if (!prepared) return fail(unopened(*target, prepared.error().cause));
  return store;
}

}  // namespace tiltyard::store
