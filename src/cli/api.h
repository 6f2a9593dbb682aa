#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "net/http.h"

namespace tiltyard::cli {

namespace asio = boost::asio;

/// Reasons of the command line's own, beside those of the server.
namespace reason {
inline constexpr char kServerAway[] = "server-away";
inline constexpr char kInvalidUrl[] = "invalid-url";
inline constexpr char kUsage[] = "usage";  ///< what was typed makes no sense
}  // namespace reason

/// Where the server is and who asks.
struct Where {
  std::string url = "http://127.0.0.1:8000";
  Secret token;
  std::optional<Error> fault;  ///< why it is not known where
  std::string token_from;      ///< for error messages: "TILTYARD_TOKEN", a file's path, or nothing
};

/// The server's API as plain blocking calls, for one command. Failures are Errors with the problem's reason; when no
/// server answers, the reason is `server-away`.
class Api {
 public:
  explicit Api(Where where);
  ~Api();

  struct Call {
    std::string method = "GET";
    std::string path;  ///< below /api/v1, with query
    std::optional<boost::json::value> body;
    std::string prefer;
    std::chrono::seconds deadline{30};
    std::optional<std::string> bytes = {};  ///< instead of a body: a piece of a file
  };
  /// The answer's JSON; null for one without a body.
  Result<boost::json::value> call(Call call);
  Result<boost::json::value> get(std::string path);
  /// All pages of a list as one {"items", "next": null}.
  Result<boost::json::value> list(std::string path);
  /// Hands the body to `sink` as it comes.
  Result<> stream(std::string path, std::function<void(std::string_view)> sink);
  /// Opens a WebSocket and runs `talk` until it ends.
  Result<> websocket(std::string path, std::function<asio::awaitable<Result<>>(std::shared_ptr<http::WebSocket>)> talk);

  const Where& where() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// One path segment or query value, percent-encoded.
std::string encoded(std::string_view text);

/// The Error behind an answer that is not 2xx: from its problem document, or from its status alone.
Error error_from(int status, std::string_view body);

}  // namespace tiltyard::cli
