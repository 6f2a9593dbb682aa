#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "store/hub.h"
#include "store/postgres_link.h"

namespace tiltyard::store {

/// The connection beside those that read and write: it hears the news (LISTEN) and holds the claim (an advisory lock,
/// which PostgreSQL takes away with the connection). Has a thread of its own from construction to `close`.
class PostgresSide {
 public:
  explicit PostgresSide(PostgresShared& shared);
  ~PostgresSide();
  PostgresSide(const PostgresSide&) = delete;
  PostgresSide& operator=(const PostgresSide&) = delete;

  std::unique_ptr<Listener> listen(std::string channel, boost::asio::any_io_executor executor, Listener::Told told);
  /// See Store::claim.
  Result<> claim(std::function<void()> lost);
  void close();

 private:
  /// Of the claim, from this server's view.
  enum class Claim { kNone, kWanted, kHeld, kLost };

  void loop();
  bool connected();
  void listen_to_new_channels();
  void look_after_claim();
  Result<> take_claim();
  void confirm_claim(bool locked);
  void set_claim(Claim claim);
  void wait_for_news();
  void wake();

  PostgresShared& shared_;
  Hub hub_;
  PostgresLink link_;
  std::set<std::string> listened_;  ///< on the present connection, as is `locked_`
  bool locked_ = false;
  const int wake_;  ///< an eventfd

  std::mutex mutex_;
  std::condition_variable claimed_;
  Claim claim_ = Claim::kNone;
  std::string holder_;
  std::function<void()> lost_;
  std::thread thread_;
};

}  // namespace tiltyard::store
