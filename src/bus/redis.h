#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace tiltyard::config {
class Keys;
}

namespace tiltyard::bus {

namespace asio = boost::asio;

/// The Redis that servers share.
struct RedisSite {
  Secret url;                       ///< as RedisOptions has it; empty: there is none
  std::string prefix = "tiltyard";  ///< of our keys and channels
};

/// Declares the keys of the configuration that fill it in.
void declare_keys(config::Keys& keys, RedisSite& site);

struct RedisOptions {
  /// redis://[user:password@]host[:6379][/db], rediss://… (TLS, the host's certificate is checked), or
  /// unix:///path[?db=N]. A secret because of the password.
  Secret url;
  std::chrono::milliseconds deadline{50};  ///< of one command, from the call on
  std::chrono::milliseconds connect_within{2000};
  std::chrono::milliseconds back_off{50};  ///< before the first attempt to connect again; doubles up to...
  std::chrono::milliseconds longest_back_off{2000};
  std::size_t queue_limit = 20'000;  ///< commands that may wait for their replies

  /// A connection that listens to this channel instead of taking commands (Redis' pub/sub: what is published while it
  /// is not connected is lost). Empty: a connection for commands.
  std::string channel = {};
  std::function<void(std::string)> on_message = {};
  std::function<void()> on_connected = {};  ///< and whenever it is again
};

struct RedisReply {
  enum class Kind { kNil, kInteger, kText, kStatus, kError, kList };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  std::string text;  ///< also of a status or an error
  std::vector<RedisReply> items;
};

/// A Lua script, called by its hash and sent whole when the server does not know it.
struct RedisScript {
  explicit RedisScript(std::string source);
  std::string text, hash;  ///< SHA-1 in hexadecimal, as EVALSHA wants it
};

/// One connection to a Redis server, on one loop; everything is called and completes there. Commands are pipelined:
/// those of one turn of the loop leave in one write. It connects by itself, and again with growing pauses (jittered)
/// when it was lost. The protocol is hiredis' (RESP2), the sockets are ours.
class Redis {
 public:
  /// Begins to connect. `redis-url` says what is wrong with the URL, without the password.
  static Result<std::unique_ptr<Redis>> open(asio::any_io_executor loop, RedisOptions options);
  ~Redis();
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  /// The reply, an error reply included. `redis-away` at once while there is no connection, or when it is lost before
  /// the reply; `redis-slow` after the deadline (the command may still have its effect); `redis-busy` when too many
  /// wait.
  asio::awaitable<Result<RedisReply>> command(std::vector<std::string> words);
  /// EVALSHA with the first `keys` of the words as KEYS and the others as ARGV, and EVAL when the server has not seen
  /// the script since it was started. `redis-refused` for an error reply. The script must outlive the call.
  asio::awaitable<Result<RedisReply>> eval(const RedisScript& script, std::vector<std::string> keys_and_arguments,
                                           std::size_t keys);

  bool connected() const;
  /// Ends the connection; commands that wait get `redis-away`.
  asio::awaitable<void> close();

  struct State;

 private:
  explicit Redis(std::shared_ptr<State> state);
  asio::awaitable<Result<RedisReply>> send(std::string bytes);
  std::shared_ptr<State> state_;
};

}  // namespace tiltyard::bus
