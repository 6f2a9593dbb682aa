#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "net/client.h"
#include "net/dial.h"

namespace tiltyard::engine::docker {

namespace asio = boost::asio;

/// The oldest version of the Engine API that has all we use (one-shot statistics), and the newest we have read.
inline constexpr int kOldestMinor = 41, kNewestMinor = 47;

/// Calls of the Engine API over kept-open connections: negotiates the version, turns failures of the connection into
/// the errors of engine.h, and knows whether the engine is away. Lives as long as its engine, on the engine's loop.
class Connection {
 public:
  using Deadline = std::chrono::milliseconds;

  Connection(std::string engine, http::Target target);

  /// Sends one call; `path` is without the version ("/containers/json"). Any status is an answer. Fails fast with
  /// `engine-away` while a watcher looks after the connection and has found the engine away.
  asio::awaitable<Result<http::Response>> call(std::string method, std::string path, std::string body,
                                               Deadline deadline, std::string content_type = "application/json");
  /// The same with a streaming answer, and a streaming request body if `source` is not empty.
  asio::awaitable<Result<std::unique_ptr<http::BodyReader>>> open(std::string method, std::string path,
                                                                  std::string body, http::BodySource source,
                                                                  Deadline head_deadline);
  asio::awaitable<Result<std::unique_ptr<http::RawStream>>> upgrade(std::string path, std::string body,
                                                                    Deadline deadline);

  /// Asks GET /version on whatever is known and settles the version; clears `away` or sets it.
  asio::awaitable<Result<std::string>> negotiate();
  /// GET /_ping; sets `away` when there is no answer.
  asio::awaitable<Result<>> ping();

  /// Whether the engine still takes new connections: one that has been told to end closes its door first and serves
  /// those who are inside to the last. Sets `away` when nobody opens.
  asio::awaitable<Result<>> open_door();

  /// Settles the version if that has not happened yet; `engine-away` at once where a watcher says so.
  asio::awaitable<Result<>> ready();

  const std::optional<Error>& away() const { return away_; }
  bool at_least(int minor) const { return minor_ >= minor; }
  std::string api_version() const { return "1." + std::to_string(minor_); }

  /// Somebody watches: `trouble` is called whenever a call finds the connection broken.
  void watched_by(std::function<void()> trouble) { trouble_ = std::move(trouble); }

 private:
  http::Request request(std::string method, std::string path, std::string body, std::string content_type) const;
  Error failed(const Error& error);
  void set_away(std::string cause);

  std::string engine_;
  http::Place door_;
  http::Client client_;
  int minor_ = 0;  ///< 0: not negotiated yet
  std::optional<Error> away_;
  std::function<void()> trouble_;
};

}  // namespace tiltyard::engine::docker
