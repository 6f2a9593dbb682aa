#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace soci {
class session;
}

namespace tiltyard::store {

/// What a write tells those who wait for it, on this server and on every other one of the same database. News are a
/// hint to look at the tables now instead of at the next tick, never the truth itself: a server that was cut off has
/// missed some.
struct News {
  std::string payload;  ///< as it was given to `notify`; empty when `missed`
  bool missed = false;  ///< news may have been lost (the way to the database was down, or has just been opened): look
                        ///< at everything
};

/// Says it on `channel` once the write that `sql` belongs to has been committed; nothing when that is undone. Call it
/// inside a `write`; it is one statement. `channel`: at most 63 of [a-z0-9_]; `payload`: less than 8,000 bytes
/// (LISTEN/NOTIFY's bound, and PostgreSQL lets equal news of one transaction become one). Throws what statements throw.
void notify(soci::session& sql, std::string_view channel, std::string_view payload);

/// Hears one channel while it lives (`Store::listen`). The callback runs on the executor that was given, one at a time
/// and in the order of the commits, never inside of `listen` or `notify`. Destroy it on that executor: then no call
/// comes afterwards.
class Listener {
 public:
  using Told = std::function<void(const News&)>;

  virtual ~Listener() = default;
};

}  // namespace tiltyard::store
