#pragma once

#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "base/result.h"
#include "store/postgres_target.h"
#include "store/store.h"

namespace tiltyard::store {

class PostgresConnection;

/// Cuts the connections whose server has not answered for much too long: libpq waits for ever for one that stands
/// still. Has a thread of its own; outlives the connections.
class Watch {
 public:
  Watch();
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  friend class PostgresConnection;
  void loop();

  std::mutex mutex_;
  std::condition_variable ending_;
  bool ended_ = false;
  std::set<PostgresConnection*> connections_;
  std::thread thread_;
};

/// One PostgreSQL connection under a SOCI session, set up the way every connection of ours is. Used by one thread at a
/// time.
class PostgresConnection {
 public:
  enum class Use { kRead, kWrite, kMigrate };

  /// Connects, at most `connect_timeout` long (five seconds). Throws soci::soci_error.
  PostgresConnection(const PostgresTarget& target, Use use, Watch& watch);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  soci::session& session() { return session_; }
  PGconn* handle() { return handle_; }

  /// Runs one or more statements in one round trip, and gives the last column of the last one's first row ("" when
  /// there is none), or what PostgreSQL calls it when it has no rows ("COMMIT"). The errors are those of
  /// `postgres_error`.
  Result<std::string> execute(const std::string& sql);
  /// Runs `work` and turns whatever it throws into an Error. Does not touch the transaction; statements that would,
  /// fail.
  Result<Store::AnyValue> run(const Store::AnyWork& work);

  bool lost() const { return PQstatus(handle_) == CONNECTION_BAD; }
  /// Whether a transaction is open and can go on.
  bool in_transaction() const { return PQtransactionStatus(handle_) == PQTRANS_INTRANS; }
  /// Whether the open transaction can only be rolled back, because a statement of it failed.
  bool failed() const { return PQtransactionStatus(handle_) == PQTRANS_INERROR; }
  /// The SQLSTATE of the last failure, "" when it had none; not reset by successes.
  const std::string& last_state() const { return last_state_; }
  /// Whether nobody has asked this before.
  bool fresh() { return std::exchange(fresh_, false); }
  /// Makes the connection a lost one.
  void cut();

 private:
  friend class Watch;
  class Deadline;
  Error error_of(std::string state, std::string cause);

  Watch& watch_;
  const Use use_;
  std::atomic<std::int64_t> overdue_at_{0};  ///< steady seconds; 0: nothing runs
  soci::session session_;
  PGconn* handle_ = nullptr;
  bool guarded_ = false;
  bool fresh_ = true;
  std::string last_state_;
};

/// What a failure means under our reasons, from its SQLSTATE (PostgreSQL's manual, appendix A): `store-full` (no
/// space), `store-busy` (locks, time-outs, too many connections; also when the same may work at the next try),
/// `store-text` (text that the database cannot hold), otherwise `store-failed`.
Error postgres_error(const std::string& state, std::string cause);
/// Whether the same work may well succeed at the next try: a serialization failure or a deadlock.
bool worth_a_retry(const std::string& state);

}  // namespace tiltyard::store
