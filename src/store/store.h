#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/migration.h"
#include "store/news.h"

namespace soci {
class session;
}

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::store {

namespace asio = boost::asio;

enum class Dialect { kSqlite, kPostgresql };

/// Which SQL the session speaks, for the few statements that cannot be the same text on both.
Dialect dialect_of(soci::session& sql);
/// What ends a SELECT that claims rows: " FOR UPDATE SKIP LOCKED" where several servers may claim at the same moment,
/// "" on SQLite, whose writes never run at the same time.
const char* skip_locked(soci::session& sql);

/// How a write stands to the others. On SQLite both are the same.
enum class Order {
  /// As if the writes of all servers ran one after the other; those of this server do, in the order in which they were
  /// asked for. What a write has read still holds when it is committed. For everything that decides by what it reads.
  kStrict,
  /// Beside others, on one of several connections and in no order: a statement sees what was committed before it began
  /// (READ COMMITTED). For much-used writes that are right by themselves: conditional updates, claims with
  /// `skip_locked`, appends.
  kLoose,
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
  asio::awaitable<Out> write(Work work, Order order = Order::kStrict) {
    co_return unwrap<Out>(co_await run_write(wrap<Out>(std::move(work)), order));
  }

  virtual Dialect dialect() const = 0;

  /// Calls `told` on `executor` for what writes have said on `channel` (see news.h), until the listener is destroyed.
  /// May outlive the store, and is then silent.
  virtual std::unique_ptr<Listener> listen(std::string channel, asio::any_io_executor executor,
                                           Listener::Told told) = 0;

  /// Says that this server alone runs what must run once per database (the machines of the instances' engine). Waits a
  /// few seconds for the last one's claim to end; `store-claimed`, with who holds it, when it does not. The claim ends
  /// with the store or the process. A server that was cut off and replaced meanwhile has its strict writes refused
  /// (`store-claimed`), and `lost` is called, once, on a thread of the store. Blocks the caller; after `migrate`.
  virtual Result<> claim(std::function<void()> lost) = 0;

  /// Brings the schema up to the newest migrations of all slices, in the order of the list (those that had numbers of
  /// all first, in the order of those); each is one transaction and is recorded with its slice, number and name. Blocks
  /// the caller. `schema-newer` when the database was written by a newer server, `schema-mismatch` when it was written
  /// by other migrations, `migration-failed` (the database is then as before the one that failed), `migration-invalid`
  /// when the list has doubles.
  virtual Result<> migrate(const std::vector<Slice>& slices) = 0;
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
  virtual asio::awaitable<Result<AnyValue>> run_write(AnyWork work, Order order) = 0;

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

struct Options {
  std::string url = "sqlite:data/tiltyard.db";  ///< as `open` takes it
};

/// Declares the keys of the configuration that fill the options in.
void declare_keys(config::Keys& keys, Options& options);

/// Opens a database:
/// `sqlite:PATH` (created if missing, directory too). WAL, synchronous=FULL, foreign keys on. One writer thread
/// commits all waiting writes together, each in a savepoint of its own (group commit); readers have their own sessions.
/// `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`: an existing one. Waits for a server that is just
/// starting, a few seconds. Lost connections are opened anew; work that was surely not committed is run again, for five
/// seconds. Errors: `store-url`, `store-unopened`.
Result<std::unique_ptr<Store>> open(const std::string& url);

}  // namespace tiltyard::store
