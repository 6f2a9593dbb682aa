// A service over a database of its own, for tests.
#pragma once

#include <gtest/gtest.h>

#include <stdlib.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/parallel.h"
#include "bus/event_log.h"
#include "jobs/jobs.h"
#include "net/loops.h"
#include "postgres_cluster.h"

namespace tiltyard::jobs::testing {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

enum class Backend { kSqlite, kPostgresql };
inline std::string name_of(const ::testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kSqlite ? "SQLite" : "PostgreSQL";
}

/// A database with our tables, gone at its end.
class Database {
 public:
  explicit Database(Backend backend) : backend_(backend) {
    char name[] = "/tmp/jobs-test-XXXXXX";
    folder_ = ::mkdtemp(name);
    url_ = backend == Backend::kSqlite ? "sqlite:" + (folder_ / "t.db").string()
                                       : store::contract::PostgresCluster::shared().fresh();
    auto store = open();
    EXPECT_TRUE(store->migrate({{"jobs", migrations()}, {"bus", bus::migrations()}}));
    store->close();
  }
  ~Database() {
    if (backend_ == Backend::kPostgresql) store::contract::PostgresCluster::shared().drop(url_);
    fs::remove_all(folder_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& url() const { return url_; }
  std::unique_ptr<store::Store> open() const {
    auto store = store::open(url_);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }

 private:
  Backend backend_;
  fs::path folder_;
  std::string url_;
};

/// The home loop runs on a thread of its own; `run` waits for it.
class Bench : public ::testing::TestWithParam<Backend> {
 protected:
  ~Bench() override {
    if (service_) close();
    store_->close();
    loops_.stop();
  }

  /// A service that is declared but not started yet.
  Service& make(Options options = {}) {
    options.drain_for = 200ms;
    service_ = std::make_unique<Service>(std::move(options), Parts{loops_.home(), *store_, clock_});
    return *service_;
  }
  void start() { ASSERT_TRUE(run(service_->start())); }
  void close() {
    run(service_->close());
    service_.reset();
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    return asio::co_spawn(loops_.home(), std::move(work), asio::use_future).get();
  }
  template <class Work>
  auto write(Work work) {
    return run(store_->write(std::move(work)));
  }
  template <class Work>
  auto home(Work work) {
    const auto call = [](Work inner) -> asio::awaitable<decltype(work())> { co_return inner(); };
    return run(call(std::move(work)));
  }

  JobId enqueue(NewJob job, IfTaken if_taken = IfTaken::kKeep) {
    auto id = run(service_->enqueue(std::move(job), if_taken));
    EXPECT_TRUE(id) << (id ? "" : id.error().message + id.error().cause);
    return id.value_or(0);
  }
  JobView find(JobId id) {
    auto job = run(service_->find(id));
    EXPECT_TRUE(job);
    return job ? std::move(*job) : JobView{};
  }
  bool gone(JobId id) { return find(id).state == JobState::kDone; }

  template <class Holds>
  bool until(Holds holds, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(2ms);
    }
    return true;
  }

  /// A kind whose firings are written down; `work` decides how they end.
  Kind noted(std::string name, std::function<asio::awaitable<Result<Next>>(Firing)> work = {}) {
    Kind kind;
    kind.name = std::move(name);
    if (!work) work = [](Firing) -> asio::awaitable<Result<Next>> { co_return Next::done(); };
    kind.handler = [this, work = std::move(work)](const Firing& firing) {
      {
        const std::lock_guard lock(mutex_);
        fired_.push_back(firing);
      }
      return work(firing);
    };
    return kind;
  }
  std::vector<Firing> fired() const {
    const std::lock_guard lock(mutex_);
    return fired_;
  }
  std::vector<std::string> payloads() const {
    std::vector<std::string> out;
    for (const auto& firing : fired()) out.push_back(firing.payload);
    return out;
  }

  Database database_{GetParam()};
  net::Loops loops_{1};
  SystemClock clock_;
  std::unique_ptr<store::Store> store_ = database_.open();
  std::unique_ptr<Service> service_;
  mutable std::mutex mutex_;
  std::vector<Firing> fired_;
};

inline NewJob job(std::string kind, std::string payload = {}) {
  NewJob made;
  made.kind = std::move(kind);
  made.payload = std::move(payload);
  return made;
}

}  // namespace tiltyard::jobs::testing
