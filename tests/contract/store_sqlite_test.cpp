#include <sched.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "store_contract.h"

namespace {

/// How the disk behaves: SQLite's calls to the kernel pass through here, because the executable's symbols come first.
struct Disk {
  std::atomic<int> syncs = 0;
  std::atomic<int> fail_sync = 0;  ///< errno of the next syncs; 0: they work
  std::atomic<bool> full = false;  ///< writes fail with ENOSPC
} disk;

int sync_through(long call, int file) {
  ++disk.syncs;
  if (disk.fail_sync != 0) {
    errno = disk.fail_sync;
    return -1;
  }
  return static_cast<int>(::syscall(call, file));
}

}  // namespace

extern "C" {
[[gnu::visibility("default")]] int fdatasync(int file) { return sync_through(SYS_fdatasync, file); }
[[gnu::visibility("default")]] int fsync(int file) { return sync_through(SYS_fsync, file); }
}

namespace tiltyard::store::contract {
namespace {

namespace fs = std::filesystem;
namespace sqlite = sqlite_api;

ssize_t limited_pwrite(int file, const void* bytes, std::size_t count, off_t at) {
  if (disk.full) {
    errno = ENOSPC;
    return -1;
  }
  return ::pwrite(file, bytes, count, at);
}

/// Puts our pwrite into SQLite's own table of system calls (sqlite3_vfs, version 3).
void watch_writes() {
  sqlite::sqlite3_vfs* vfs = sqlite::sqlite3_vfs_find(nullptr);
  for (const char* name : {"pwrite", "pwrite64"}) {
    vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite::sqlite3_syscall_ptr>(&limited_pwrite));
  }
}

std::string fresh_url() {
  static int number = 0;
  const fs::path folder = fs::temp_directory_path() / ("tiltyard store " + std::to_string(getpid()));
  return "sqlite:" + (folder / ("database " + std::to_string(++number)) / "tiltyard.db").string();
}

fs::path path_of(const std::string& url) { return url.substr(std::string("sqlite:").size()); }

void drop(const std::string& url) { fs::remove_all(path_of(url).parent_path().parent_path()); }

const Backend kSqlite{"SQLite", fresh_url, drop};

auto inserting(long long id, std::size_t bytes = 10) {
  return [id, bytes](soci::session& sql) -> Result<> {
    const std::string text(bytes, 'x');
    sql << "INSERT INTO entries (id, text) VALUES (:id, :text)", soci::use(id, "id"), soci::use(text, "text");
    return {};
  };
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(SQLite, R14_1, testing::Values(kSqlite), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(SQLite, R1_13, testing::Values(kSqlite), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(SQLite, R15_3, testing::Values(kSqlite), testing::PrintToStringParamName());

/// What only SQLite promises; the fixtures are the contract's.
class SqliteSuite : public StoreSuite {
 protected:
  void SetUp() override {
    watch_writes();
    StoreSuite::SetUp();
  }
  void TearDown() override {
    disk.full = false;
    disk.fail_sync = 0;
    StoreSuite::TearDown();
  }

  /// Holds the writer until `asked` writes wait behind it, so that they make one group; gives their answers.
  std::vector<Result<>> one_group(int asked, long long first_id) {
    std::latch started(1), go_on(1);
    asio::io_context loop;
    std::vector<Result<>> results(static_cast<std::size_t>(asked));
    auto hold = [&](soci::session&) -> Result<> {
      started.count_down();
      go_on.wait();
      return {};
    };
    asio::co_spawn(loop, store_->write(hold), [](std::exception_ptr, Result<>) {});
    loop.poll();
    started.wait();
    for (int i = 0; i < asked; ++i) {
      asio::co_spawn(loop, store_->write(inserting(first_id + i)), [&results, i](std::exception_ptr, Result<> result) {
        results[static_cast<std::size_t>(i)] = std::move(result);
      });
    }
    loop.poll();
    go_on.count_down();
    loop.run();
    return results;
  }
};
class R14_1_Sqlite : public SqliteSuite {};
class R1_13_Sqlite : public SqliteSuite {};
class R15_3_Sqlite : public SqliteSuite {};
INSTANTIATE_TEST_SUITE_P(SQLite, R14_1_Sqlite, testing::Values(kSqlite), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(SQLite, R1_13_Sqlite, testing::Values(kSqlite), testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(SQLite, R15_3_Sqlite, testing::Values(kSqlite), testing::PrintToStringParamName());

TEST_P(R14_1_Sqlite, WaitingWritesShareOneSync) {
  const int before = disk.syncs;
  for (const auto& result : one_group(500, 0)) EXPECT_TRUE(result);
  const int syncs = disk.syncs - before;
  EXPECT_GE(syncs, 1);
  EXPECT_LE(syncs, 4) << "500 writes are one group; the first sync of a log makes its header durable too";
  EXPECT_EQ(count(), 500);
}

TEST_P(R14_1_Sqlite, EveryWriteAloneIsSyncedBeforeItAnswers) {
  for (long long id = 0; id < 10; ++id) {
    const int before = disk.syncs;
    ASSERT_TRUE(run(store_->write(inserting(id))));
    EXPECT_GT(disk.syncs, before);
  }
}

TEST_P(R14_1_Sqlite, TheLogIsCopiedBesideTheWriterAndStaysBounded) {
  const auto log = path_of(url_).string() + "-wal";
  EXPECT_GE(fs::file_size(log), 12'000'000u) << "a commit is to find its blocks there";
  // Far more than the log may hold before the writer waits for the copying.
  constexpr long long kWrites = 120;
  for (long long id = 0; id < kWrites; ++id) ASSERT_TRUE(run(store_->write(inserting(id, 1'000'000))));
  EXPECT_LT(fs::file_size(log), 75'000'000u);
  EXPECT_EQ(count(), kWrites);
  reopen();
  EXPECT_EQ(count(), kWrites);
}

TEST_P(R1_13_Sqlite, AnOpeningStoreKeepsItsHandsOffALogThatSomebodyElseWrites) {
  store_.reset();
  const auto path = path_of(url_).string();
  soci::session other(soci::sqlite3, path);
  other << "BEGIN IMMEDIATE";
  other << "INSERT INTO entries (id, text) VALUES (1, 'x')";
  auto opened = open(url_);
  ASSERT_TRUE(opened) << opened.error().message << opened.error().cause;
  store_ = std::move(*opened);
  EXPECT_FALSE(fs::exists(path + "-wal") && fs::file_size(path + "-wal") > 1'000'000);
  other << "COMMIT";
  EXPECT_EQ(count(), 1);
}

TEST_P(R1_13_Sqlite, AFailedSyncFailsTheWholeGroupAndTheNextOneWorks) {
  disk.fail_sync = EIO;
  for (const auto& result : one_group(20, 0)) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, "store-failed");
  }
  disk.fail_sync = 0;
  EXPECT_EQ(count(), 0);
  for (const auto& result : one_group(20, 100)) EXPECT_TRUE(result) << result.error().cause;
  EXPECT_EQ(count(), 20);
  reopen();
  EXPECT_EQ(count(), 20);
}

TEST_P(R1_13_Sqlite, AFullDiskIsStoreFullAndReadsGoOn) {
  ASSERT_TRUE(run(store_->write(inserting(1))));
  disk.full = true;
  for (const auto& result : one_group(20, 100)) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, "store-full");
    EXPECT_EQ(result.error().code, Code::kExhausted);
  }
  EXPECT_FALSE(run(store_->check()));
  EXPECT_EQ(count(), 1);
  disk.full = false;
  EXPECT_TRUE(run(store_->check()));
  EXPECT_TRUE(run(store_->write(inserting(2))));
  EXPECT_EQ(count(), 2);
}

/// A write that is too large fills the file inside of its own statements; SQLite may then undo the whole transaction,
/// and with it the writes of others, which have to be run again.
TEST_P(R1_13_Sqlite, AWriteThatIsTooLargeHurtsOnlyItself) {
  auto limit = [](soci::session& sql) -> Result<> {
    int pages = 0;
    sql << "PRAGMA max_page_count = 64", soci::into(pages);
    return {};
  };
  ASSERT_TRUE(run(store_->write(limit)));
  asio::io_context loop;
  std::vector<Result<>> results(3);
  const auto keep = [&](int place) {
    return [&results, place](std::exception_ptr, Result<> result) {
      results[static_cast<std::size_t>(place)] = std::move(result);
    };
  };
  asio::co_spawn(loop, store_->write(inserting(1)), keep(0));
  asio::co_spawn(loop, store_->write(inserting(2, 1'000'000)), keep(1));
  asio::co_spawn(loop, store_->write(inserting(3)), keep(2));
  loop.run();
  EXPECT_TRUE(results[0]);
  ASSERT_FALSE(results[1]);
  EXPECT_EQ(results[1].error().reason, "store-full") << results[1].error().cause;
  EXPECT_TRUE(results[2]);
  EXPECT_EQ(count(), 2);
}

/// The real thing: a file system of one megabyte, in a mount namespace of the test's own.
TEST_P(R1_13_Sqlite, ARealFullFileSystemLosesNothingThatWasAnswered) {
  const fs::path folder = path_of(url_).parent_path() / "small";
  fs::create_directories(folder);
  store_.reset();
  constexpr int kCannotMount = 77;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") != 0) {
      _exit(kCannotMount);
    }
    auto small = open("sqlite:" + (folder / "tiltyard.db").string());
    if (!small || !(*small)->migrate(table_of_entries())) _exit(1);
    long long written = 0;
    std::string reason;
    while (written < 10'000 && reason.empty()) {
      const auto result = run((*small)->write(inserting(written, 2000)));
      if (result) ++written;
      else reason = result.error().reason;
    }
    if (reason != "store-full" || written < 10) _exit(2);
    small->reset();
    auto again = open("sqlite:" + (folder / "tiltyard.db").string());
    if (!again) _exit(3);
    auto counting = [](soci::session& sql) -> Result<long long> {
      long long rows = 0;
      sql << "SELECT count(*) FROM entries", soci::into(rows);
      return rows;
    };
    const auto rows = run((*again)->read(counting));
    _exit(rows && *rows == written ? 0 : 4);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kCannotMount) GTEST_SKIP() << "mounting needs root";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_P(R14_1_Sqlite, TheFileIsItsOwnersAlone) {
  for (const char* ending : {"", "-wal", "-shm"}) {
    struct stat status{};
    ASSERT_EQ(::stat((path_of(url_).string() + ending).c_str(), &status), 0) << ending;
    EXPECT_EQ(status.st_mode & 0777, 0600U) << ending;
  }
}

TEST_P(R14_1_Sqlite, ConnectionsAreSetUpForDurability) {
  auto asking = [](soci::session& sql) -> Result<std::string> {
    std::string journal;
    int synchronous = 0, keys = 0, patience = 0;
    sql << "PRAGMA journal_mode", soci::into(journal);
    sql << "PRAGMA synchronous", soci::into(synchronous);
    sql << "PRAGMA foreign_keys", soci::into(keys);
    sql << "PRAGMA busy_timeout", soci::into(patience);
    return journal + " " + std::to_string(synchronous) + " " + std::to_string(keys) + " " + std::to_string(patience);
  };
  EXPECT_EQ(run(store_->write(asking)).value(), "wal 2 1 5000");
  EXPECT_EQ(run(store_->read(asking)).value(), "wal 2 1 5000");
}

TEST_P(R14_1_Sqlite, ANumberAsKeyNeedsNoIndexBesideTheTable) {
  auto more = table_of_entries();
  more[0].migrations.emplace_back(
      "keys",
      "CREATE TABLE many (id bigint Primary Key, text TEXT);\nCREATE TABLE couples (a BIGINT, b BIGINT, "
      "PRIMARY KEY (a, b))");
  const auto migrated = store_->migrate(more);
  ASSERT_TRUE(migrated) << migrated.error().message << migrated.error().cause;
  auto indexes = [](soci::session& sql) -> Result<std::string> {
    int of_many = 0, of_couples = 0;
    const long long large = 5'000'000'000;
    long long found = 0;
    sql << "INSERT INTO many (id, text) VALUES (:id, 'x')", soci::use(large);
    sql << "SELECT id FROM many", soci::into(found);
    sql << "SELECT COUNT(*) FROM pragma_index_list('many')", soci::into(of_many);
    sql << "SELECT COUNT(*) FROM pragma_index_list('couples')", soci::into(of_couples);
    return std::to_string(of_many) + " " + std::to_string(of_couples) + " " + std::to_string(found);
  };
  EXPECT_EQ(run(store_->write(indexes)).value(), "0 1 5000000000");
}

TEST_P(R14_1_Sqlite, OtherUrlsAndPlacesAreRefused) {
  for (const char* url :
       {"", "sqlite:", "sqlite::memory:", "sqlite:file:x?mode=memory", "mysql://x", "x.db", "sqlite:a\"b"}) {
    const auto refused = open(url);
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().reason, "store-url") << url;
  }
  EXPECT_EQ(open("sqlite:/proc/nothing/here.db").error().reason, "store-unopened");
  const fs::path text = path_of(url_).parent_path() / "text.db";
  std::ofstream(text) << std::string(5000, 'x');
  EXPECT_EQ(open("sqlite:" + text.string()).error().reason, "store-unopened");
}

TEST_P(R15_3_Sqlite, ABackUpIsTakenWhileTheServerWrites) {
  const std::string copy = path_of(url_).string() + ".copy";
  std::atomic<bool> stop = false;
  std::atomic<long long> written = 0;
  std::thread writer([&] {
    for (long long id = 0; !stop; id += 2) {
      auto two = [id](soci::session& sql) -> Result<> {
        for (const long long one : {id, id + 1}) {
          sql << "INSERT INTO entries (id, text) VALUES (:id, 'x')", soci::use(one, "id");
        }
        return {};
      };
      EXPECT_TRUE(run(store_->write(two)));
      written = id + 2;
    }
  });
  while (written < 100) std::this_thread::yield();
  const long long before = written;
  const auto done = run(store_->backup(copy));
  EXPECT_TRUE(done) << done.error().message << done.error().cause;
  stop = true;
  writer.join();
  struct stat status{};
  ASSERT_EQ(::stat(copy.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(run(store_->backup(copy)).error().reason, "backup-exists");
  EXPECT_EQ(run(store_->backup("/proc/nothing/copy")).error().reason, "backup-failed");
  // The copy is a database that a server can go on with.
  store_ = std::move(*open("sqlite:" + copy));
  ASSERT_TRUE(store_->migrate(table_of_entries()));
  EXPECT_GE(count(), before);
  EXPECT_EQ(count() % 2, 0) << "half of a write";
  EXPECT_TRUE(run(store_->write(inserting(1'000'000'000))));
}

TEST_P(R15_3_Sqlite, ABackUpWithoutSpaceLeavesNothing) {
  const std::string copy = path_of(url_).string() + ".copy";
  disk.full = true;
  const auto failed = run(store_->backup(copy));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().reason, "store-full") << failed.error().cause;
  EXPECT_FALSE(fs::exists(copy));
  EXPECT_FALSE(fs::exists(copy + ".part"));
}

}  // namespace tiltyard::store::contract
