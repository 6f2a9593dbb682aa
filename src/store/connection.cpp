#include "store/connection.h"

#include <fmt/core.h>

#include <algorithm>

namespace tiltyard::store {
namespace {

/// How long a connection waits for a lock that another holds (a back-up, a migration, an operator's shell).
constexpr int kBusyMillis = 5000;

/// The busy time-out comes first: even the switch to WAL needs a lock. Caches are small, because the server's memory is
/// a promise; the page cache of the kernel does the rest, and no load is slower for it (docs/benchmarks.md). A negative
/// cache_size counts KiB.
constexpr const char* kCommon =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA foreign_keys=ON;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA trusted_schema=OFF;";
constexpr const char* kForReading = "PRAGMA cache_size=-256; PRAGMA query_only=ON;";
constexpr const char* kForWriting = "PRAGMA cache_size=-256; PRAGMA journal_size_limit=33554432;";
/// Rebuilding a table would fire its foreign keys; the migration checks all of them before it commits.
constexpr const char* kForMigrating = "PRAGMA cache_size=-4096; PRAGMA foreign_keys=OFF;";

const char* pragmas_for(Connection::Use use) {
  switch (use) {
    case Connection::Use::kRead:
      return kForReading;
    case Connection::Use::kWrite:
      return kForWriting;
    case Connection::Use::kMigrate:
      return kForMigrating;
  }
  return kForReading;
}

}  // namespace

Connection::Connection(const std::string& path, Use use) : session_(soci::sqlite3, "db=\"" + path + "\"") {
  handle_ = static_cast<soci::sqlite3_session_backend*>(session_.get_backend())->conn_;
  sqlite::sqlite3_busy_timeout(handle_, kBusyMillis);
  for (const char* sql : {kCommon, pragmas_for(use)}) {
    if (auto done = execute(sql); !done) throw soci::soci_error(done.error().cause);
  }
  sqlite::sqlite3_set_authorizer(handle_, &Connection::authorize, this);
  if (use != Use::kWrite) return;
  sqlite::sqlite3_wal_hook(handle_, &Connection::note_pages, this);
  sqlite::sqlite3_create_function(handle_, "pg_notify", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, this,
                                  &Connection::keep_news, nullptr, nullptr);
}

Connection::~Connection() {
  for (auto& [sql, statement] : often_) sqlite::sqlite3_finalize(statement);
  sqlite::sqlite3_set_authorizer(handle_, nullptr, nullptr);
}

int Connection::authorize(void* self, int action, const char*, const char*, const char*, const char*) {
  const bool guarded = static_cast<Connection*>(self)->guarded_;
  return guarded && action == SQLITE_TRANSACTION ? SQLITE_DENY : SQLITE_OK;
}

int Connection::note_pages(void* self, sqlite::sqlite3*, const char*, int pages) {
  static_cast<Connection*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

void Connection::keep_news(sqlite::sqlite3_context* call, int, sqlite::sqlite3_value** arguments) {
  const auto text = [](sqlite::sqlite3_value* value) {
    const auto* bytes = reinterpret_cast<const char*>(sqlite::sqlite3_value_text(value));
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<std::size_t>(sqlite::sqlite3_value_bytes(value)));
  };
  auto* self = static_cast<Connection*>(sqlite::sqlite3_user_data(call));
  self->said_.emplace_back(text(arguments[0]), text(arguments[1]));
}

Result<> Connection::execute(const char* sql) {
  char* message = nullptr;
  const int code = sqlite::sqlite3_exec(handle_, sql, nullptr, nullptr, &message);
  if (code == SQLITE_OK) return {};
  auto outcome = failed(code, message, sql);
  sqlite::sqlite3_free(message);
  return outcome;
}

Result<> Connection::execute_often(const char* sql) {
  auto known = std::ranges::find(often_, sql, &std::pair<std::string, sqlite::sqlite3_stmt*>::first);
  if (known == often_.end()) {
    sqlite::sqlite3_stmt* statement = nullptr;
    const int code = sqlite::sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return failed(code, sqlite::sqlite3_errmsg(handle_), sql);
    known = often_.insert(often_.end(), {sql, statement});
  }
  sqlite::sqlite3_step(known->second);
  // A reset says what the step came to, in the code that the connection then keeps as its last.
  const int code = sqlite::sqlite3_reset(known->second);
  return code == SQLITE_OK ? Result<>{} : failed(code, sqlite::sqlite3_errmsg(handle_), sql);
}

Result<> Connection::failed(int code, const char* message, const char* sql) const {
  return fail(error_of(code, fmt::format("{} ({}): {}", message != nullptr ? message : sqlite::sqlite3_errstr(code),
                                         sqlite::sqlite3_extended_errcode(handle_), sql)));
}

bool Connection::in_transaction() const { return sqlite::sqlite3_get_autocommit(handle_) == 0; }

int Connection::last_code() const {
  return sqlite::sqlite3_errcode(handle_) & 0xFF;
}  // the low byte is the primary one

Error Connection::last_error(std::string cause) const { return error_of(last_code(), std::move(cause)); }

Error error_of(int sqlite_code, std::string cause) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_FULL:
      return Error{Code::kExhausted, "store-full", "The database has no space left on its disk.", std::move(cause), {}};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error{Code::kUnavailable, "store-busy", "The database is busy. Try again.", std::move(cause), {}};
    default:
      return Error{Code::kInternal, "store-failed", "The database could not do this.", std::move(cause), {}};
  }
}

Result<Store::AnyValue> run_guarded(Connection& connection, const Store::AnyWork& work) {
  Connection::Guarded guarded(connection);
  try {
    return work(connection.session());
  } catch (const soci::sqlite3_soci_error& failure) {
    return fail(error_of(failure.result(), failure.what()));
  } catch (const soci::soci_error& failure) {
    // SOCI reports most failed statements without SQLite's code; the connection still knows it.
    return fail(connection.last_error(failure.what()));
  } catch (const std::exception& failure) {
    return fail(Code::kInternal, "store-failed", "The database could not do this.", failure.what());
  } catch (...) {
    return fail(Code::kInternal, "store-failed", "The database could not do this.", "an exception of unknown type");
  }
}

}  // namespace tiltyard::store
