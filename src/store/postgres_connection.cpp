#include "store/postgres_connection.h"

#include <fmt/core.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "observe/log.h"

namespace tiltyard::store {
namespace {

/// What the server itself gives up: a statement, the wait for a lock, and a transaction whose client has stopped
/// talking (a server of ours that stands still must not keep the others from writing). A migration may take its time.
constexpr const char* kPgCommon =
    "SET timezone TO 'UTC'; SET lock_timeout TO '10s'; SET idle_in_transaction_session_timeout TO '15s'; ";
constexpr const char* kPgForReading = "SET statement_timeout TO '30s'; SET default_transaction_read_only TO on";
/// A write that has answered is on disk, whatever the server's configuration says; stricter settings (remote_apply)
/// stay.
constexpr const char* kPgForWriting =
    "SET statement_timeout TO '30s'; "
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', "
    "'local')";
constexpr const char* kPgForMigrating =
    "SET statement_timeout TO 0; SET lock_timeout TO 0; SET idle_in_transaction_session_timeout TO 0";
/// Later than the server's own time-outs, for the server that stands still or the network that swallows everything: for
/// one statement, for a work with all of its statements, and for a migration.
constexpr std::chrono::seconds kStatementPatience{40};
constexpr std::chrono::minutes kWorkPatience{5};
constexpr std::chrono::hours kMigrationPatience{24};

const char* settings_for(PostgresConnection::Use use) {
  switch (use) {
    case PostgresConnection::Use::kRead:
      return kPgForReading;
    case PostgresConnection::Use::kWrite:
      return kPgForWriting;
    case PostgresConnection::Use::kMigrate:
      return kPgForMigrating;
  }
  return kPgForReading;
}

std::int64_t steady_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void hear_notice(void*, const char* message) { log::debug("store", "PostgreSQL says", {{"notice", message}}); }

/// Whether a statement begins, ends or divides a transaction.
bool is_transaction_control(std::string_view sql) {
  const auto begin = sql.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return false;
  std::string word;
  for (const char c : sql.substr(begin, 12)) {
    if (c >= 'a' && c <= 'z') word += static_cast<char>(c - 'a' + 'A');
    else if (c >= 'A' && c <= 'Z') word += c;
    else break;
  }
  constexpr std::array<std::string_view, 9> kWords = {"BEGIN", "START",     "COMMIT",  "END",    "ROLLBACK",
                                                      "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"};
  return std::ranges::find(kWords, word) != kWords.end();
}

}  // namespace

/// While it lives, something is asked of the server, and the watch looks at the clock.
class PostgresConnection::Deadline {
 public:
  Deadline(PostgresConnection& connection, std::chrono::seconds patience) : connection_(connection) {
    connection_.overdue_at_ =
        steady_seconds() + (connection_.use_ == Use::kMigrate ? kMigrationPatience : patience).count();
  }
  ~Deadline() { connection_.overdue_at_ = 0; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  PostgresConnection& connection_;
};

Watch::Watch() : thread_([this] { loop(); }) {}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ending_.notify_all();
  thread_.join();
}

void Watch::loop() {
  pthread_setname_np(pthread_self(), "store-watch");
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, std::chrono::seconds{1}, [this] { return ended_; })) {
    for (auto* connection : connections_) {
      auto overdue = connection->overdue_at_.load();
      if (overdue == 0 || overdue > steady_seconds() || !connection->overdue_at_.compare_exchange_strong(overdue, 0))
        continue;
      log::error("store", "The database has not answered for too long; the connection is cut.");
      ::shutdown(PQsocket(connection->handle_), SHUT_RDWR);
    }
  }
}

void PostgresConnection::cut() {
  ::shutdown(PQsocket(handle_), SHUT_RDWR);
  (void)execute("SELECT 1");  // libpq notices when it uses the connection
}

PostgresConnection::PostgresConnection(const PostgresTarget& target, Use use, Watch& watch)
    : watch_(watch), use_(use), session_(soci::postgresql, target.url) {
  handle_ = static_cast<soci::postgresql_session_backend*>(session_.get_backend())->conn_;
  PQsetNoticeProcessor(handle_, &hear_notice, nullptr);
  session_.set_query_transformation([this](const std::string& sql) {
    if (guarded_ && is_transaction_control(sql))
      throw soci::soci_error("the work does not own the transaction that it runs in: " + sql);
    return sql;
  });
  {
    const std::lock_guard lock(watch_.mutex_);
    watch_.connections_.insert(this);
  }
  auto set_up = execute(std::string(kPgCommon) + settings_for(use));
  if (set_up) return;
  const std::lock_guard lock(watch_.mutex_);
  watch_.connections_.erase(this);
  throw soci::soci_error(set_up.error().cause);
}

PostgresConnection::~PostgresConnection() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.connections_.erase(this);
}

Result<std::string> PostgresConnection::execute(const std::string& sql) {
  const Deadline deadline(*this, kStatementPatience);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(handle_, sql.c_str()), &PQclear);
  const auto status = PQresultStatus(result.get());
  if (status == PGRES_TUPLES_OK) {
    const int columns = PQnfields(result.get());
    return PQntuples(result.get()) == 0 || columns == 0 ? std::string()
                                                        : std::string(PQgetvalue(result.get(), 0, columns - 1));
  }
  if (status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) return std::string(PQcmdStatus(result.get()));
  const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  const char* message = result ? PQresultErrorMessage(result.get()) : PQerrorMessage(handle_);
  return fail(error_of(state == nullptr ? "" : state, fmt::format("{}: {}", message, sql)));
}

Result<Store::AnyValue> PostgresConnection::run(const Store::AnyWork& work) {
  const Deadline deadline(*this, kWorkPatience);
  guarded_ = true;
  auto outcome = [&]() -> Result<Store::AnyValue> {
    try {
      return work(session_);
    } catch (const soci::postgresql_soci_error& failure) {
      return fail(error_of(failure.sqlstate(), failure.what()));
    } catch (const std::exception& failure) { return fail(error_of("", failure.what())); } catch (...) {
      return fail(error_of("", "an exception of unknown type"));
    }
  }();
  guarded_ = false;
  if (!outcome || in_transaction() || lost()) return outcome;
  // A statement failed, and the work went on as if nothing had been: PostgreSQL would answer its commit with a
  // roll-back.
  return fail(error_of("25P02", "a statement failed inside of a work that succeeded"));
}

Error PostgresConnection::error_of(std::string state, std::string cause) {
  last_state_ = std::move(state);
  if (lost())
    return Error{Code::kUnavailable, "store-failed", "The database is away. Try again.", std::move(cause), {}};
  return postgres_error(last_state_, std::move(cause));
}

Error postgres_error(const std::string& state, std::string cause) {
  const auto is = [&](std::initializer_list<std::string_view> states) {
    return std::ranges::find(states, state) != states.end();
  };
  if (is({"53100"}))
    return {Code::kExhausted, "store-full", "The database has no space left on its disk.", std::move(cause), {}};
  // lock time-out, statement time-out, out of memory or connections, serialization failure, deadlock, shutting down or
  // starting
  if (is({"55P03", "57014", "53200", "53300", "40001", "40P01", "57P01", "57P02", "57P03"})) {
    return {Code::kUnavailable, "store-busy", "The database is busy. Try again.", std::move(cause), {}};
  }
  if (is({"22021", "22P05"})) {
    return {Code::kInvalid,
            "store-text",
            "A text holds characters that cannot be kept: it must be valid UTF-8.",
            std::move(cause),
            {}};
  }
  return {Code::kInternal, "store-failed", "The database could not do this.", std::move(cause), {}};
}

bool worth_a_retry(const std::string& state) { return state == "40001" || state == "40P01"; }

}  // namespace tiltyard::store
