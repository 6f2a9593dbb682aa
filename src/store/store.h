#pragma once

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"

namespace soci {
class session;
}

namespace tiltyard::store {

namespace asio = boost::asio;

/// One forward-only step of the schema. Several statements are separated by ";\n". Each slice owns a block of at least
/// fifty numbers (labs 1 to 99, identity 100 to 199, limits 400 to 449, ...) and uses them without gaps, so that slices grow apart from each other.
struct Migration {
  int number = 0;
  std::string name;
  std::string sql;
};

/// The database. Work is a plain function over a SOCI session; it runs on the store's own threads and its Result comes
/// back on the caller's executor. A *write* that has answered is on disk; it is atomic, and an Error (or an exception,
/// which becomes `store-failed`) undoes all of it. The work may run again after a lost connection (never after it has
/// been committed), so it must have no effect beside its statements. Stop with `close()` before the loops end.
class Store {
 public:
  virtual ~Store() = default;

  template <class Work, class Out = std::invoke_result_t<Work, soci::session&>>
  asio::awaitable<Out> read(Work work) {
    co_return unwrap<Out>(co_await run_read(wrap<Out>(std::move(work))));
  }
  template <class Work, class Out = std::invoke_result_t<Work, soci::session&>>
  asio::awaitable<Out> write(Work work) {
    co_return unwrap<Out>(co_await run_write(wrap<Out>(std::move(work))));
  }

  /// Brings the schema up to the newest migrations of all slices, in the order of their numbers; each is one transaction
  /// and is recorded with its number and name. Blocks the caller. `schema-newer` when the database was written by a newer
  /// server, `schema-mismatch` when it was written by other migrations, `migration-failed` (the database is then as
  /// before the one that failed), `migration-invalid` when the list has gaps or doubles.
  virtual Result<> migrate(const std::vector<Migration>& migrations) = 0;
  /// Whether a trivial write succeeds right now (for /readyz).
  virtual asio::awaitable<Result<>> check() = 0;
  /// Copies the whole database, consistent, into the new file `to` (on the server's disk) while the server works.
  /// `backup-exists`, `backup-failed`, `store-full`; `store-unsupported` from a back-end that has its own tools for it.
  virtual asio::awaitable<Result<>> backup(std::string to) = 0;
  /// Finishes the writes that wait, then refuses further work with `shutting-down`.
  virtual void close() = 0;

  /// The work as the back-end sees it: an Error, or the value on the heap (nothing for Result<void>). Not std::any:
  /// expected<any> asks itself whether it converts to itself, and the compilers disagree about the answer.
  using AnyValue = std::shared_ptr<void>;
  using AnyWork = std::function<Result<AnyValue>(soci::session&)>;

 protected:
  virtual asio::awaitable<Result<AnyValue>> run_read(AnyWork work) = 0;
  virtual asio::awaitable<Result<AnyValue>> run_write(AnyWork work) = 0;

 private:
  template <class Out, class Work>
  static AnyWork wrap(Work work) {
    return [work = std::make_shared<Work>(std::move(work))](soci::session& session) -> Result<AnyValue> {
      Out out = (*work)(session);
      if (!out) return std::unexpected(std::move(out.error()));
      if constexpr (std::is_void_v<typename Out::value_type>) {
        return AnyValue{};
      } else {
        return AnyValue{std::make_shared<typename Out::value_type>(std::move(*out))};
      }
    };
  }
  template <class Out>
  static Out unwrap(Result<AnyValue> any) {
    if (!any) return std::unexpected(std::move(any.error()));
    if constexpr (std::is_void_v<typename Out::value_type>) {
      return Out{};
    } else {
      return std::move(*std::static_pointer_cast<typename Out::value_type>(*any));
    }
  }
};

/// Opens `sqlite:PATH` (created if missing, directory too). WAL, synchronous=FULL, foreign keys on. One writer thread
/// commits all waiting writes together, each in a savepoint of its own (group commit); readers have their own sessions.
Result<std::unique_ptr<Store>> open(const std::string& url);

}  // namespace tiltyard::store
