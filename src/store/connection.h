#pragma once

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace tiltyard::store {

namespace sqlite = sqlite_api;

/// One SQLite connection under a SOCI session, set up the way every connection of ours is. Used by one thread at a
/// time.
class Connection {
 public:
  enum class Use { kRead, kWrite, kMigrate };

  /// Opens the file, which must exist. Throws soci::soci_error.
  Connection(const std::string& path, Use use);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  soci::session& session() { return session_; }
  sqlite::sqlite3* handle() { return handle_; }

  /// Runs one or more statements without results. The errors are those of `error_of`.
  Result<> execute(const char* sql);
  /// The same for a statement that is run again and again, as those around each transaction: it is parsed only the
  /// first time, and kept. For texts of which there are few.
  Result<> execute_often(const char* sql);
  /// Whether a transaction is open: SQLite ends one by itself when the disk is full or fails.
  bool in_transaction() const;
  /// SQLite's primary result code of the last call, and what it means under our reasons.
  int last_code() const;
  Error last_error(std::string cause) const;

  /// What the open transaction has said so far (channel, payload), to be told once it is committed. Only for kWrite.
  using Said = std::vector<std::pair<std::string, std::string>>;
  Said& said() { return said_; }

  /// How many pages the WAL held after the last commit of this connection. Only for kWrite, where nothing is copied out
  /// of the WAL by itself (see Checkpointer).
  int wal_pages() const { return wal_pages_; }

  /// While it lives, statements that begin or end a transaction are refused: the work does not own the transaction that
  /// it runs in.
  class Guarded {
   public:
    explicit Guarded(Connection& connection) : connection_(connection) { connection_.guarded_ = true; }
    ~Guarded() { connection_.guarded_ = false; }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

   private:
    Connection& connection_;
  };

 private:
  static int authorize(void* self, int action, const char*, const char*, const char*, const char*);
  static int note_pages(void* self, sqlite::sqlite3*, const char*, int pages);
  Result<> failed(int code, const char* message, const char* sql) const;
  static void keep_news(sqlite::sqlite3_context* call, int count, sqlite::sqlite3_value** arguments);

  soci::session session_;
  sqlite::sqlite3* handle_ = nullptr;
  std::vector<std::pair<std::string, sqlite::sqlite3_stmt*>> often_;
  bool guarded_ = false;
  int wal_pages_ = 0;
  Said said_;
};

/// `store-full` (no space), `store-busy` (locked by somebody for too long) or `store-failed`, from SQLite's result
/// code.
Error error_of(int sqlite_code, std::string cause);

/// Runs `work` and turns whatever it throws into an Error. Does not touch the transaction.
Result<Store::AnyValue> run_guarded(Connection& connection, const Store::AnyWork& work);

}  // namespace tiltyard::store
